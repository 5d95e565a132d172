-- What an agent tells while it runs. Only its owner writes it, and nothing of it once it has ended.
-- NEEDS records ending

local function tell_number(name, text)
  return text ~= '' and ',"' .. name .. '":' .. text or ''
end

-- progress: how far it is; what is not given stays as it was.
-- ARGS 1 agent · 2 token · 3 fraction, 0 to 1, as JSON has it · 4 note, free text
-- OK   {'ok'}; of an agent that has ended nothing is written, nor where nothing new is told
function STEPS.progress(id, token, fraction, note)
  local agent = read_owned(id, token)
  local known = redis.call('HMGET', AGENT .. id, 'progress', 'note')
  local is_known = (fraction == '' or fraction == known[1]) and (note == '' or note == known[2])
  if ended(AGENT_STEPS, agent.status) or is_known then return {'ok'} end
  set(AGENT .. id, 'progress', fraction, 'note', note)
  tell('agent.progress', about_agent(agent),
    tell_number('progress', fraction) .. (note ~= '' and ',"note":' .. cjson.encode(note) or ''))
  return {'ok'}
end

-- checkpoint: from where the task's next attempt goes on.
-- ARGS 1 agent · 2 token · 3 value, JSON
-- OK   {'ok'}
-- ELSE {'not_found'} its task is gone, or has moved on without it
function STEPS.checkpoint(id, token, value)
  local agent = read_owned(id, token)
  local task = read_task_of(agent) or refuse('not_found')
  if ended(AGENT_STEPS, agent.status) then refuse('illegal', agent.status, 'running') end
  redis.call('HSET', TASK .. task.id, 'checkpoint', value)
  return {'ok'}
end

local function last_line(key)
  local newest = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  return newest and tonumber(string.match(newest[1], '^%d+')) or 0
end

-- output: the last lines that it wrote. Their numbers are their places in the stream, so that a line
-- that comes again is known.
-- ARGS 1 agent · 2 token · 3 lines kept · 4 number of the first line, from 1 · then pairs of the
--      stream it was written to and the line
-- OK   {'ok'}
function STEPS.output(id, token, kept, first, ...)
  local agent = read_owned(id, token)
  local key, lines = OUTPUT .. id, {...}
  expect(key, 'stream')
  local known = last_line(key)
  for i = 1, #lines, 2 do
    local number = tonumber(first) + (i - 1) / 2
    if number > known then
      redis.call('XADD', key, 'MAXLEN', kept, string.format('%d-0', number), 'at', NOW_ISO,
        'stream', lines[i], 'line', lines[i + 1])
    end
  end
  if ended(AGENT_STEPS, agent.status) then redis.call('PEXPIRE', key, RETENTION) end
  return {'ok'}
end

-- paused: its kind is paused on this daemon, because too many of its agents fail.
-- ARGS 1 agent that failed last · 2 token · 3 for how many seconds
-- OK   {'ok'}
function STEPS.paused(id, token, seconds)
  local agent = read_owned(id, token)
  tell('kind.paused', about_agent(agent), ',"seconds":' .. seconds)
  return {'ok'}
end
