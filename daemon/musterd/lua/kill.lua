-- kill: ask for the end of an agent, or of a task whatever it is doing, and of no further attempt.
-- ARGS 1 'agent' or 'task' · 2 its id · 3 only if it is of this kind ('' any) · 4 why, free text
--      5 by whom · 6 grace, s ('' the daemon's own)
-- OK   {'ok', 'requested', agent, node} written down for a live agent, and its daemon's bell rung
--      {'ok', 'failed', task} it was waiting and has ended
--      {'ok', 'ended', id} this very request has done its work before
--      {'ok', 'other'} another kind
-- ELSE {'ended', status} it had ended before the request came

local function kill_waiting(task, why, by)
  expect(QUEUE .. task.kind, 'zset')
  check_step(TASK_STEPS, task.status, 'failed')
  redis.call('ZREM', QUEUE .. task.kind, task.id)
  redis.call('ZREM', SCHEDULED, task.id)
  close_task(task, 'failed', {reason = 'killed', error = why, killed_by = by}, ME)
  return {'ok', 'failed', task.id}
end

local function kill_ended(record, by)
  if by ~= '' and record.killed_by == by then return {'ok', 'ended', record.id} end
  return {'ended', record.status}
end

local function kill_live(agent, why, by, grace)
  expect_voice(KILL_BELL .. agent.node)
  if redis.call('HEXISTS', KILLS, agent.id) == 0 then
    local request = '{"at":"' .. NOW_ISO .. '"'
      .. (by ~= '' and ',"by":' .. cjson.encode(by) or '')
      .. (grace ~= '' and ',"grace":' .. grace or '')
      .. (why ~= '' and ',"reason":' .. cjson.encode(why) or '') .. '}'
    redis.call('HSET', KILLS, agent.id, request)
  end
  redis.call('PUBLISH', KILL_BELL .. agent.node, agent.id)
  return {'ok', 'requested', agent.id, agent.node}
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
    agent = read_agent(record.agent)
      or refuse('broken', TASK .. id, 'its agent ' .. tostring(record.agent) .. ' has no record')
  else
    agent = read_agent(id) or refuse('not_found')
    record = agent
  end
  if ended(AGENT_STEPS, agent.status) then return kill_ended(agent, by) end
  return kill_live(agent, why, by, grace)
end
