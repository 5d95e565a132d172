-- How an attempt ends, shared by finish, kill and settle.

-- The fields of an ending as they stand in an event.
local function outcome(ending)
  return (ending.reason and ending.reason ~= '' and ',"reason":' .. quote(ending.reason) or '')
    .. (ending.error and ending.error ~= '' and ',"error":' .. cjson.encode(ending.error) or '')
    .. (ending.result and ending.result ~= '' and ',"result":' .. ending.result or '')
end

local function close_task(task, status, ending, node)
  set(TASK .. task.id, 'status', status, 'reason', ending.reason, 'error', ending.error,
    'result', ending.result, 'killedBy', ending.killed_by, 'updatedAt', NOW_ISO)
  redis.call('PEXPIRE', TASK .. task.id, RETENTION)
  shift(TASKS, task.id, task.status, status)
  local final = status == 'failed' and ',"final":true' or ''
  tell('task.' .. status, task, task.agent, node, outcome(ending) .. final)
  if ME ~= '' then forget_oldest(2) end
end

local function retry_task(task, ending, delay, node)
  redis.call('HDEL', TASK .. task.id, 'reason', 'error', 'result')
  set(TASK .. task.id, 'status', 'pending', 'updatedAt', NOW_ISO)
  shift(TASKS, task.id, task.status, 'pending')
  tell('task.failed', task, task.agent, node, outcome(ending) .. ',"final":false')
  tell('task.pending', task, task.agent, node)
  enqueue(task, delay)
end

local function close_agent(agent, status, ending)
  set(AGENT .. agent.id, 'status', status, 'reason', ending.reason, 'error', ending.error,
    'result', ending.result, 'killedBy', ending.killed_by, 'completedAt', NOW_ISO,
    'updatedAt', NOW_ISO)
  redis.call('PEXPIRE', AGENT .. agent.id, RETENTION)
  redis.call('PEXPIRE', OUTPUT .. agent.id, RETENTION)
  shift(AGENTS, agent.id, agent.status, status)
  redis.call('DEL', HEARTBEAT .. agent.id, MESSAGES .. agent.id)
  redis.call('SREM', OWNED .. agent.node, agent.id)
  redis.call('HDEL', KILLS, agent.id)
  tell('agent.' .. status, {id = agent.task, kind = agent.kind, attempt = agent.attempt},
    agent.id, agent.node, outcome(ending))
end

-- A task's status after its agent ended so; '' if it has no task any more. Refuses an illegal step.
local function task_after(task, status, reason)
  if not task then return '' end
  local target = status == 'completed' and 'completed' or 'failed'
  check_step(TASK_STEPS, task.status, target)
  if status == 'failed' and not FINAL_REASONS[reason] and task.attempt < task.max_attempts then
    check_step(TASK_STEPS, 'failed', 'pending')
    return 'pending'
  end
  return target
end

-- What a recorded kill asks: when, by whom, why, how soon. nil when there is none.
local function read_kill(agent_id)
  local text = redis.call('HGET', KILLS, agent_id)
  if not text then return nil end
  local fine, request = pcall(cjson.decode, text)
  if not fine or type(request) ~= 'table' then return {} end
  local function text_of(name) return type(request[name]) == 'string' and request[name] or nil end
  return {at = text_of('at'), by = text_of('by'), reason = text_of('reason'),
    grace = type(request.grace) == 'number' and request.grace or nil}
end

-- Writes what task_after found.
local function end_task(task, after, ending, delay, node)
  if after == 'pending' then
    retry_task(task, ending, delay, node)
  elseif task then
    close_task(task, after, ending, node)
  end
end
