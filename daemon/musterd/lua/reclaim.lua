-- Agents whose claim was lost on the way, or with the last writes of a server.
-- NEEDS claim submit

rely(TASK_INDEX.assigned, 'zset')
rely(AGENT_INDEX.spawning, 'zset')

-- adopt: those of our agents that are alive, described for somebody who has lost their claim's answer.
-- ARGS agents
-- OK   {'ok', agents} described as claim does
function STEPS.adopt(...)
  local agents = {}
  for _, id in ipairs({...}) do
    local fine, agent = pcall(read_agent, id)
    if fine and agent and agent.node == ME and agent.epoch == EPOCH then
      agents[#agents + 1] = describe(id)
    end
  end
  return {'ok', agents}
end

-- reclaim: an agent that this owner had claimed, on a server that may have lost it.
-- ARGS 1 agent · 2 token · 3 task · 4 kind · 5 attempt · 6 max attempts · 7 timeout, s ('' none)
--      8 context, JSON · 9 'alone' if nobody is left who could reclaim the attempts before it
-- OK   {'ok'} it is there, or is again: spawning, and its task assigned
-- ELSE {'not_owner'} its task has moved on without it, or another daemon has this one's name
--      {'not_found'} its task is gone, and so are the attempts before it
function STEPS.reclaim(id, token, task_id, kind, attempt, max_attempts, timeout, context, alone)
  if read_agent(id) then
    read_owned(id, token)
    return {'ok'}
  end
  local holder = redis.call('HGET', NODE .. ME, 'epoch')
  if holder and holder ~= EPOCH then refuse('not_owner') end
  local task = read_task(task_id)
  local before = tonumber(attempt) - 1
  if task and (task.status ~= 'pending' or task.attempt ~= before or task.kind ~= kind) then
    refuse('not_owner')
  end
  if not task and before > 0 and not alone then refuse('not_found') end
  expect_queue(kind)
  if not task then
    task = {id = task_id, kind = kind, attempt = 0, priority = 0}
    create(task, context, max_attempts, timeout, '')
    task.attempt = before
  end
  local known = redis.call('HMGET', TASK .. task_id, 'maxAttempts', 'timeout', 'metadata')
  task.max_attempts, task.timeout, task.metadata = unpack(known)
  redis.call('ZREM', QUEUE .. kind, task_id)
  redis.call('ZREM', SCHEDULED, task_id)
  redis.call('DEL', next_attempt(task))
  begin_beats({spawn(task, token, false, fill_limits(task, max_attempts, timeout))})
  return {'ok'}
end
