-- How an attempt ends, shared by finish, kill and settle.

-- The fields of an ending as they stand in an event.
local function outcome(ending)
  return (ending.reason and ending.reason ~= '' and ',"reason":' .. quote(ending.reason) or '')
    .. (ending.error and ending.error ~= '' and ',"error":' .. cjson.encode(ending.error) or '')
    .. (ending.result and ending.result ~= '' and ',"result":' .. ending.result or '')
end

-- Kills that were asked for. Most of the time there is none, and that is looked at once a call.
local kills
local function is_any_kill()
  kills = kills or redis.call('HLEN', KILLS)
  return kills > 0
end

local function forget_kill(agent_id)
  if is_any_kill() then kills = kills - redis.call('HDEL', KILLS, agent_id) end
end

local function close_task(task, status, ending, node)
  set(TASK .. task.id, 'status', status, 'reason', ending.reason, 'error', ending.error,
    'result', ending.result, 'killedBy', ending.killed_by, 'updatedAt', NOW_ISO)
  redis.call('PEXPIRE', TASK .. task.id, RETENTION)
  shift(TASKS, task.id, task.status, status)
  local final = status == 'failed' and ',"final":true' or ''
  tell('task.' .. status, about(task, task.agent, node), outcome(ending) .. final)
  settled = settled + 1
end

local function retry_task(task, ending, delay, node)
  redis.call('HDEL', TASK .. task.id, 'reason', 'error', 'result')
  set(TASK .. task.id, 'status', 'pending', 'updatedAt', NOW_ISO)
  shift(TASKS, task.id, task.status, 'pending')
  local whom = about(task, task.agent, node)
  tell('task.failed', whom, outcome(ending) .. ',"final":false')
  tell('task.pending', whom)
  enqueue(task, delay)
end

local function close_agent(agent, status, ending)
  set(AGENT .. agent.id, 'status', status, 'reason', ending.reason, 'error', ending.error,
    'result', ending.result, 'killedBy', ending.killed_by, 'cpuSeconds', ending.cpu,
    'completedAt', NOW_ISO, 'updatedAt', NOW_ISO)
  redis.call('PEXPIRE', AGENT .. agent.id, RETENTION)
  expire_output(agent.id)
  shift(AGENTS, agent.id, agent.status, status)
  drop(HEARTBEAT .. agent.id, MESSAGES .. agent.id)
  own(agent.node, agent.id, false)
  forget_kill(agent.id)
  tell('agent.' .. status, about_agent(agent, agent.node), outcome(ending))
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
  local text = is_any_kill() and redis.call('HGET', KILLS, agent_id)
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
