-- What every step shares. scripts.py puts the tables of states.py and keys.py above this file,
-- the steps below it, and dispatch.lua last; the whole is one script.
--
-- KEYS  1 routes the call in a cluster; every other key is built from the prefix and shares its tag
-- ARGV  1 prefix · 2 events kept · 3 retention, ms · 4 ended tasks kept · 5 node · 6 epoch
--       7 heartbeat TTL, ms · 8 the steps as JSON: lists of a name and its arguments, texts or whole
--       numbers. An argument of '' is "no value".
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
local sequence   -- the counter that orders the queues, as the server has it

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
local TOLD_AT = ',"timestamp":"' .. NOW_ISO .. '"}'

-- Keys that all tasks share are looked at once a call, those of one task by the step that needs it.

local function expect(key, wanted)
  local found = redis.call('TYPE', key).ok
  if found ~= wanted and found ~= 'none' then
    refuse('broken', key, 'holds a ' .. found .. ' where a ' .. wanted .. ' belongs')
  end
end

-- Once a call for each kind: nothing but this script writes meanwhile.
local sound_queues = {}
local function expect_queue(kind)
  if sound_queues[kind] then return end
  expect(QUEUE .. kind, 'zset')
  sound_queues[kind] = true
end

-- A whole number as records hold it, small enough to stay exact; nil for anything else. What tonumber
-- takes besides (nan, inf, 0x10, 1e999) is nothing that a score or a loop may be given.
local wholes = {}   -- those met in this call: most records say 0 and 1
local function whole(text)
  if not text then return nil end
  local number = wholes[text]
  if number == nil then
    number = #text < 16 and string.find(text, '^%d+$') and tonumber(text) or false
    wholes[text] = number
  end
  return number or nil
end

local digits = {}
local function decimal(number)
  local text = digits[number]
  if not text then
    text = string.format('%d', number)
    digits[number] = text
  end
  return text
end

-- A right that is missing shows only at the command that lacks it, which is after the first write.
local function expect_voice(channel)
  if not redis.acl_check_cmd('PUBLISH', channel, '') then
    refuse('broken', channel, 'this user may not publish there')
  end
end

-- What lists.lua writes comes when the steps are done: too late to refuse one of them.
local LISTING = {ZADD = SCHEDULED, ZREM = SCHEDULED, INCRBY = SEQUENCE}
local OWNING = {SADD = OWNED .. ME, SREM = OWNED .. ME, DEL = HEARTBEAT, XTRIM = LOG}

local function expect_rights(rights)
  for command, key in pairs(rights) do
    if not redis.acl_check_cmd(command, key) then
      refuse('broken', key, 'this user may not ' .. command .. ' there')
    end
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
  sequence = whole(redis.call('GET', SEQUENCE) or '0')
    or refuse('broken', SEQUENCE, 'holds no number')
  expect(KINDS, 'hash')
  expect(KILLS, 'hash')
  expect(LOG, 'stream')
  expect_rights(LISTING)
  if ME ~= '' then
    expect_rights(OWNING)
    expect(OWNED .. ME, 'set')
    expect(NODE .. ME, 'hash')
    expect(EPOCHS .. ME, 'zset')
  end
end

-- Records.

-- TYPE first would be one command more for each record; a key of another type says so by itself.
local function read(key, ...)
  local values = redis.pcall('HMGET', key, ...)
  if values.err then
    expect(key, 'hash')
    error(values)
  end
  return values
end

-- A task, and after it the values of the further fields that are asked for.
local function read_task(id, ...)
  local v = read(TASK .. id, 'status', 'kind', 'agentId', 'attempt', 'maxAttempts', 'priority',
    'killedBy', ...)
  if not v[1] then return nil end
  local attempt = whole(v[4])
  if not TASK_STEPS[v[1]] or not v[2] or not attempt then
    refuse('broken', TASK .. id, 'status, kind or attempt is missing or nonsense')
  end
  return {id = id, status = v[1], kind = v[2], agent = v[3], attempt = attempt,
    max_attempts = whole(v[5]) or 1, priority = whole(v[6]) or 0, killed_by = v[7]},
    unpack(v, 8)
end

local function read_agent(id)
  local v = read(AGENT .. id, 'status', 'node', 'epoch', 'token', 'taskId', 'kind', 'attempt',
    'killedBy')
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
  expect_queue(task.kind)
  return task
end

local function check_step(steps, from, to)
  if not (steps[from] and steps[from][to]) then refuse('illegal', from, to) end
end

local function ended(steps, status) return next(steps[status]) == nil end

-- HSET of the pairs that have a value. Numbers are handed on as they are, so they stay exact.
local function set(key, ...)
  local pairs_given, last = {...}, 0
  for i = 1, select('#', ...), 2 do
    local name, value = pairs_given[i], pairs_given[i + 1]
    if value and value ~= '' then
      pairs_given[last + 1], pairs_given[last + 2] = name, value
      last = last + 2
    end
  end
  redis.call('HSET', key, unpack(pairs_given, 1, last))
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

-- Whom an event is about; the two events of a step have it in common.
local function about(task, agent, node)
  return ',"taskId":' .. quote(task.id)
    .. (agent and ',"agentId":' .. quote(agent) or '')
    .. ',"kind":' .. quote(task.kind)
    .. (node and node ~= '' and ',"node":' .. quote(node) or '')
    .. ',"attempt":' .. decimal(task.attempt)
end

-- What of an agent's task its own record knows.
local function about_agent(agent, node)
  return about({id = agent.task, kind = agent.kind, attempt = agent.attempt}, agent.id, node)
end

local told = false
local function tell(what, whom, more)
  local event = '{"type":"' .. what .. '"' .. whom .. (more or '') .. TOLD_AT
  redis.call('XADD', LOG, '*', 'event', event)
  redis.call('PUBLISH', EVENTS, event)
  told = true
end
