-- What every step shares. scripts.py puts the tables of states.py and keys.py above this file,
-- the steps below it, and dispatch.lua last; the whole is one script.
--
-- KEYS  1 routes the call in a cluster; every other key is built from the prefix and shares its tag
-- ARGV  1 prefix · 2 events kept · 3 retention, ms · 4 ended tasks kept · 5 node · 6 epoch
--       7 heartbeat TTL, ms; then for each step: its name, how many arguments follow, the arguments
--       An argument of '' is "no value".
-- Answers one reply a step, in order: {'ok', …} as the step's header says, or a refusal:
--       {'not_found'} · {'illegal', from, to} · {'not_owner'} · {'broken', what, why} · those the
--       step's own header names · {"later", why} the server takes no writes just now
--
-- A step reads and checks everything before its first write, so that a refused step has written
-- nothing: a script is not a transaction, and an error in its middle leaves what came before.

local LOG_LENGTH, RETENTION, KEPT = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local ME, EPOCH, TTL = ARGV[5], ARGV[6], ARGV[7]
local RECORD_AGENTS = 100   -- attempts whose records go at once with their task's; others expire
local STEPS, woken = {}, {}

local function refuse(...) error({...}) end

local function iso(seconds, ms)
  local days = math.floor(seconds / 86400)
  local rest = seconds - days * 86400
  local z = days + 719468                       -- civil from days, epoch 0000-03-01
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524)
    - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local day = doy - math.floor((153 * mp + 2) / 5) + 1
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%03dZ', year, month, day,
    math.floor(rest / 3600), math.floor(rest / 60) % 60, rest % 60, ms)
end

local time = redis.call('TIME')
local MS = math.floor(tonumber(time[2]) / 1000)
local NOW = tonumber(time[1]) * 1000 + MS       -- never concatenate: Lua would write 1.79e+12
local NOW_ISO = iso(tonumber(time[1]), MS)

-- Keys that all tasks share are looked at once a call, those of one task by the step that needs it.

local function expect(key, wanted)
  local found = redis.call('TYPE', key).ok
  if found ~= wanted and found ~= 'none' then
    refuse('broken', key, 'holds a ' .. found .. ' where a ' .. wanted .. ' belongs')
  end
end

-- A whole number as records hold it, small enough to stay exact; nil for anything else. What tonumber
-- takes besides (nan, inf, 0x10, 1e999) is nothing that a score or a loop may be given.
local function whole(text)
  return text and #text < 16 and string.find(text, '^%d+$') and tonumber(text) or nil
end

-- A right that is missing shows only at the command that lacks it, which is after the first write.
local function expect_voice(channel)
  if not redis.acl_check_cmd('PUBLISH', channel, '') then
    refuse('broken', channel, 'this user may not publish there')
  end
end

local function expect_structure()
  expect_voice(EVENTS)
  expect_voice(WAKE)
  for status in pairs(TASK_STEPS) do expect(TASKS .. status, 'zset') end
  for status in pairs(AGENT_STEPS) do expect(AGENTS .. status, 'zset') end
  expect(SCHEDULED, 'zset')
  expect(NODES, 'zset')
  expect(SEQUENCE, 'string')
  if not whole(redis.call('GET', SEQUENCE) or '0') then
    refuse('broken', SEQUENCE, 'holds no number')
  end
  expect(KINDS, 'hash')
  expect(KILLS, 'hash')
  expect(LOG, 'stream')
  if ME ~= '' then
    expect(OWNED .. ME, 'set')
    expect(NODE .. ME, 'hash')
    expect(EPOCHS .. ME, 'zset')
  end
end

-- Records.

local function read_task(id)
  expect(TASK .. id, 'hash')
  local v = redis.call('HMGET', TASK .. id, 'status', 'kind', 'agentId', 'attempt', 'maxAttempts',
    'priority', 'killedBy')
  if not v[1] then return nil end
  local attempt = whole(v[4])
  if not TASK_STEPS[v[1]] or not v[2] or not attempt then
    refuse('broken', TASK .. id, 'status, kind or attempt is missing or nonsense')
  end
  return {id = id, status = v[1], kind = v[2], agent = v[3], attempt = attempt,
    max_attempts = whole(v[5]) or 1, priority = whole(v[6]) or 0, killed_by = v[7]}
end

local function read_agent(id)
  expect(AGENT .. id, 'hash')
  local v = redis.call('HMGET', AGENT .. id, 'status', 'node', 'epoch', 'token', 'taskId', 'kind',
    'attempt', 'killedBy')
  if not v[1] then return nil end
  local attempt = whole(v[7])
  if not AGENT_STEPS[v[1]] or not v[2] or not v[5] or not v[6] or not attempt then
    refuse('broken', AGENT .. id, 'status, node, taskId, kind or attempt is missing or nonsense')
  end
  return {id = id, status = v[1], node = v[2], epoch = v[3], token = v[4], task = v[5],
    kind = v[6], attempt = attempt, killed_by = v[8]}
end

local function read_owned(id, token)
  local agent = read_agent(id) or refuse('not_found')
  if agent.node ~= ME or agent.epoch ~= EPOCH or agent.token ~= token then refuse('not_owner') end
  return agent
end

-- An agent's task; nil if somebody removed it, or it has moved on without this agent.
local function read_task_of(agent)
  local task = read_task(agent.task)
  if not task or task.agent ~= agent.id then return nil end
  expect(QUEUE .. task.kind, 'zset')
  return task
end

local function check_step(steps, from, to)
  if not (steps[from] and steps[from][to]) then refuse('illegal', from, to) end
end

local function ended(steps, status) return next(steps[status]) == nil end

-- HSET of the pairs that have a value. Numbers are handed on as they are, so they stay exact.
local function set(key, ...)
  local given, kept = {...}, {}
  for i = 1, select('#', ...), 2 do
    if given[i + 1] and given[i + 1] ~= '' then
      kept[#kept + 1] = given[i]
      kept[#kept + 1] = given[i + 1]
    end
  end
  redis.call('HSET', key, unpack(kept))
end

local function shift(index, id, from, to)
  if from then redis.call('ZREM', index .. from, id) end
  redis.call('ZADD', index .. to, NOW, id)
end

-- Events: published and logged as one string, in the same call as the change they tell of.

local quoted = {}
local function quote(text)
  local known = quoted[text]
  if not known then
    known = cjson.encode(text)
    quoted[text] = known
  end
  return known
end

local function tell(what, task, agent, node, more)
  local event = '{"type":"' .. what .. '","taskId":' .. quote(task.id)
    .. (agent and ',"agentId":' .. quote(agent) or '')
    .. ',"kind":' .. quote(task.kind)
    .. (node and node ~= '' and ',"node":' .. quote(node) or '')
    .. ',"attempt":' .. string.format('%d', task.attempt)
    .. (more or '') .. ',"timestamp":"' .. NOW_ISO .. '"}'
  if ME == '' then   -- a client's settings are not those of the daemons, which trim
    redis.call('XADD', LOG, '*', 'event', event)
  else
    redis.call('XADD', LOG, 'MAXLEN', '~', LOG_LENGTH, '*', 'event', event)
  end
  redis.call('PUBLISH', EVENTS, event)
end

-- Waiting tasks.

local function enqueue(task, delay)
  if delay > 0 then
    redis.call('ZADD', SCHEDULED, NOW + delay, task.id)
  else
    local place = redis.call('INCR', SEQUENCE)
    redis.call('ZADD', QUEUE .. task.kind, task.priority * 2 ^ 49 + place, task.id)
  end
  woken[task.kind] = true
end

-- Records that are let go.

local function forget_agent(id)
  redis.call('DEL', AGENT .. id, OUTPUT .. id, MESSAGES .. id)
  for status in pairs(AGENT_STEPS) do redis.call('ZREM', AGENTS .. status, id) end
end

-- Called after first writes, so it must bear a key of any type and content.
local function forget_task(id)
  local attempt = redis.pcall('HGET', TASK .. id, 'attempt')
  local attempts = type(attempt) == 'string' and whole(attempt) or 0
  redis.call('DEL', TASK .. id)
  for i = math.max(1, attempts - RECORD_AGENTS + 1), attempts do
    forget_agent(id .. '.' .. string.format('%d', i))
  end
end

-- Ended tasks over the number kept, at most so many; how many went.
local function forget_oldest(most)
  for gone = 0, most - 1 do
    local completed, failed = redis.call('ZCARD', TASKS .. 'completed'),
      redis.call('ZCARD', TASKS .. 'failed')
    if completed + failed <= KEPT then return gone end
    local first = redis.call('ZRANGE', TASKS .. 'completed', 0, 0, 'WITHSCORES')
    local other = redis.call('ZRANGE', TASKS .. 'failed', 0, 0, 'WITHSCORES')
    local from = TASKS .. 'completed'
    if not first[1] or (other[1] and tonumber(other[2]) < tonumber(first[2])) then
      first, from = other, TASKS .. 'failed'
    end
    redis.call('ZREM', from, first[1])
    forget_task(first[1])
  end
  return most
end
