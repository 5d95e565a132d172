-- An agent's task, and how an attempt at it ends: shared by start, finish, kill and settle.
-- NEEDS records retention

rely(KILLS, 'hash')
for _, status in ipairs({'pending', 'completed', 'failed'}) do rely(TASK_INDEX[status], 'zset') end
for _, status in ipairs({'completed', 'failed', 'killed'}) do rely(AGENT_INDEX[status], 'zset') end

-- What ended it, as both records hold it and as it stands in the events of both.
local function make_ending(reason, message, result, killed_by)
  local fields, told = {}, ''
  if reason and reason ~= '' then
    push(fields, 'reason', reason)
    told = ',"reason":' .. quote(reason)
  end
  if message and message ~= '' then
    push(fields, 'error', message)
    told = told .. ',"error":' .. cjson.encode(message)
  end
  if result and result ~= '' then
    push(fields, 'result', result)
    told = told .. ',"result":' .. result
  end
  if killed_by and killed_by ~= '' then push(fields, 'killedBy', killed_by) end
  return {reason = reason, fields = fields, told = told}
end

-- An agent's task; nil if somebody removed it, or it has moved on without this agent.
local function read_task_of(agent)
  local v = read(TASK .. agent.task, 'status', 'agentId', 'kind', 'maxAttempts', 'priority')
  if not v[1] or v[2] ~= agent.id then return nil end
  if not TASK_STEPS[v[1]] or not v[3] then
    refuse('broken', TASK .. agent.task, 'status or kind is missing or nonsense')
  end
  expect_queue(v[3])
  return {id = agent.task, status = v[1], kind = v[3], agent = agent.id, attempt = agent.attempt,
    max_attempts = whole(v[4]) or 1, priority = whole(v[5]) or 0}
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

-- `whom`: as `about` has it.
local function close_task(task, status, ending, whom)
  redis.call('HSET', TASK .. task.id, 'status', status, 'updatedAt', NOW_ISO, unpack(ending.fields))
  redis.call('PEXPIRE', TASK .. task.id, RETENTION)
  shift(TASK_INDEX, task.id, task.status, status)
  local final = status == 'failed' and ',"final":true' or ''
  tell('task.' .. status, whom, ending.told .. final)
  settled = settled + 1
end

local function retry_task(task, ending, delay, whom)
  redis.call('HDEL', TASK .. task.id, 'reason', 'error', 'result')
  redis.call('HSET', TASK .. task.id, 'status', 'pending', 'updatedAt', NOW_ISO)
  shift(TASK_INDEX, task.id, task.status, 'pending')
  tell('task.failed', whom, ending.told .. ',"final":false')
  tell('task.pending', whom)
  enqueue(task, delay)
end

-- `cpu`: processor time in s, '' where nobody knows it.
local function close_agent(agent, status, ending, whom, cpu)
  local fields = ending.fields
  if cpu and cpu ~= '' then fields = {'cpuSeconds', cpu, unpack(fields)} end
  redis.call('HSET', AGENT .. agent.id, 'status', status, 'completedAt', NOW_ISO,
    'updatedAt', NOW_ISO, unpack(fields))
  redis.call('PEXPIRE', AGENT .. agent.id, RETENTION)
  expire_output(agent.id)
  shift(AGENT_INDEX, agent.id, agent.status, status)
  drop(HEARTBEAT .. agent.id)
  drop(MESSAGES .. agent.id)
  own(agent.node, agent.id, false)
  forget_kill(agent.id)
  tell('agent.' .. status, whom, ending.told)
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
local function end_task(task, after, ending, delay, whom)
  if after == 'pending' then
    retry_task(task, ending, delay, whom)
  elseif task then
    close_task(task, after, ending, whom)
  end
end
