-- kill: ask for the end of an agent, or of a task whatever it is doing, and of no further attempt.
-- ARGS 1 'agent' or 'task' · 2 its id · 3 only if it is of this kind ('' any) · 4 why, free text
--      5 by whom · 6 grace, s ('' the daemon's own)
-- OK   {'ok', 'requested', agent, node} written down for a live agent, and its daemon's bell rung
--      {'ok', 'failed', task} it was waiting and has ended
--      {'ok', 'ended', id} this very request has done its work before
--      {'ok', 'other'} another kind
-- ELSE {'ended', status} it had ended before the request came
-- NEEDS ending

local function kill_waiting(task, why, by)
  expect_queue(task.kind)
  check_step(TASK_STEPS, task.status, 'failed')
  redis.call('ZREM', QUEUE .. task.kind, task.id)
  redis.call('ZREM', SCHEDULED, task.id)
  close_task(task, 'failed', make_ending('killed', why, nil, by), about(task, task.agent, ME))
  return {'ok', 'failed', task.id}
end

local function kill_ended(record, by)
  if by ~= '' and record.killed_by == by then return {'ok', 'ended', record.id} end
  return {'ended', record.status}
end

local function write_request(agent_id, at, why, by, grace)
  kills = nil
  redis.call('HSET', KILLS, agent_id, '{"at":' .. quote(at)
    .. (by and by ~= '' and ',"by":' .. cjson.encode(by) or '')
    .. (grace ~= '' and ',"grace":' .. grace or '')
    .. (why and why ~= '' and ',"reason":' .. cjson.encode(why) or '') .. '}')
end

-- A bell for each daemon, with the ids of all of its agents that this call asks to stop.
local bells = {}

local function ring(agent)
  bells[agent.node] = (bells[agent.node] and bells[agent.node] .. ' ' or '') .. agent.id
end

closing[#closing + 1] = function()
  for node, ids in pairs(bells) do redis.call('PUBLISH', KILL_BELL .. node, ids) end
end

-- The first request stands; a later one may only leave the agent less time.
local function kill_live(agent, why, by, grace)
  expect_voice(KILL_BELL .. agent.node)
  local known = read_kill(agent.id)
  if not known then
    write_request(agent.id, NOW_ISO, why, by, grace)
  elseif grace ~= '' and (not known.grace or tonumber(grace) < known.grace) then
    write_request(agent.id, known.at or NOW_ISO, known.reason, known.by, grace)
  end
  ring(agent)
  return {'ok', 'requested', agent.id, agent.node}
end

-- The agent's record was removed by hand. If it still has a heartbeat its daemon is told to stop it,
-- and settles the task when it has; otherwise nobody is left to do that.
local function kill_unrecorded(task, why, by, grace)
  local id = task.agent or ''
  local beat = redis.pcall('GET', HEARTBEAT .. id)
  local node = type(beat) == 'string' and string.match(beat, '^(.+)/')
  if node then return kill_live({id = id, node = node}, why, by, grace) end
  check_step(TASK_STEPS, task.status, 'failed')
  local whom = about(task, task.agent, ME)
  forget_kill(id)
  if task.agent then
    tell('agent.failed', whom, make_ending('lost', 'its record was removed').told)
    forget_agent(id)
  end
  close_task(task, 'failed', make_ending('killed', why, nil, by), whom)
  return {'ok', 'failed', task.id}
end

function STEPS.kill(what, id, kind, why, by, grace)
  local record, agent
  if what == 'task' then
    record = read_task(id) or refuse('not_found')
    if kind ~= '' and record.kind ~= kind then return {'ok', 'other'} end
    if record.status == 'pending' then return kill_waiting(record, why, by) end
    if ended(TASK_STEPS, record.status) or record.status == 'failed' then
      return kill_ended(record, by)
    end
    agent = record.agent and read_agent(record.agent)
    if not agent then return kill_unrecorded(record, why, by, grace) end
  else
    agent = read_agent(id) or refuse('not_found')
    record = agent
  end
  if ended(AGENT_STEPS, agent.status) then return kill_ended(agent, by) end
  return kill_live(agent, why, by, grace)
end
