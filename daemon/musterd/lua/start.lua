-- start: an agent that was taken again runs, its task executes; or the word that it still may run.
-- ARGS 1 agent · 2 token
-- OK   {'ok'}; again after it was applied: {'ok'} and nothing is told
-- ELSE {'kill'} a kill was recorded: nothing was written, end it as killed
-- NEEDS ending

rely(TASK_INDEX.executing, 'zset')
rely(AGENT_INDEX.running, 'zset')

function STEPS.start(id, token)
  local agent = read_owned(id, token)
  if is_any_kill() and redis.call('HEXISTS', KILLS, id) == 1 then return {'kill'} end
  if agent.status == 'running' then return {'ok'} end
  check_step(AGENT_STEPS, agent.status, 'running')
  local task = read_task_of(agent) or refuse('broken', TASK .. agent.task, 'is gone')
  check_step(TASK_STEPS, task.status, 'executing')

  redis.call('HSET', AGENT .. id, 'status', 'running', 'startedAt', NOW_ISO, 'updatedAt', NOW_ISO)
  redis.call('HSET', TASK .. task.id, 'status', 'executing', 'updatedAt', NOW_ISO)
  shift(AGENT_INDEX, id, agent.status, 'running')
  shift(TASK_INDEX, task.id, task.status, 'executing')
  tell_started(about(task, id, ME))
  return {'ok'}
end
