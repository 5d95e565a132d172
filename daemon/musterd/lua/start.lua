-- start: the agent runs, its task executes.
-- ARGS 1 agent · 2 token
-- OK   {'ok'}; again after it was applied: {'ok'} and nothing is told
-- ELSE {'kill'} a kill was recorded before the start: nothing was written, end it as killed
function STEPS.start(id, token)
  local agent = read_owned(id, token)
  if agent.status == 'running' then return {'ok'} end
  check_step(AGENT_STEPS, agent.status, 'running')
  if is_any_kill() and redis.call('HEXISTS', KILLS, id) == 1 then return {'kill'} end
  local task = read_task_of(agent) or refuse('broken', TASK .. agent.task, 'is gone')
  check_step(TASK_STEPS, task.status, 'executing')

  redis.call('HSET', AGENT .. id, 'status', 'running', 'startedAt', NOW_ISO, 'updatedAt', NOW_ISO)
  redis.call('HSET', TASK .. task.id, 'status', 'executing', 'updatedAt', NOW_ISO)
  shift(AGENTS, id, agent.status, 'running')
  shift(TASKS, task.id, task.status, 'executing')
  local whom = about(task, id, ME)
  tell('agent.running', whom)
  tell('task.executing', whom)
  return {'ok'}
end
