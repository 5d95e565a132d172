-- What every step shares. scripts.py puts the tables of states.py and keys.py above this file, the
-- steps of a call and what they need below it, and dispatch.lua last: that is one script.
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
local STEPS = {}
local flushes, closing = {}, {}   -- functions that write what has gathered · that end a call

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

-- Keys that all tasks share are looked at once a call, before its first step: each file says which
-- ones its steps rely on. Those of one task are looked at by the step that needs it.

local problem   -- the first that was found: the answer of every step

local function misfit(key, wanted)
  local found = redis.call('TYPE', key).ok
  return found ~= wanted and found ~= 'none'
    and {'broken', key, 'holds a ' .. found .. ' where a ' .. wanted .. ' belongs'} or nil
end

local function expect(key, wanted)
  local found = misfit(key, wanted)
  if found then error(found) end
end

local function rely(key, wanted) problem = problem or misfit(key, wanted) end

-- A right that is missing shows only at the command that lacks it, which is after the first write.
local function missing_right(command, key, ...)
  return not redis.acl_check_cmd(command, key, ...)
    and {'broken', key, 'this user may not ' .. command .. ' there'} or nil
end

local function expect_voice(channel)
  local found = missing_right('PUBLISH', channel, '')
  if found then error(found) end
end

local function need(command, key, ...) problem = problem or missing_right(command, key, ...) end

rely(LOG, 'stream')
need('PUBLISH', EVENTS, '')

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

local function push(list, name, value)
  list[#list + 1] = name
  list[#list + 1] = value
end

-- TYPE first would be one command more for each record; a key of another type says so by itself.
local function read(key, ...)
  local values = redis.pcall('HMGET', key, ...)
  if values.err then
    expect(key, 'hash')
    error(values)
  end
  return values
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

local told = 0
local UNASKED = 8   -- events of a call; to ask whether anybody listens costs as much as to publish four

-- Whether anybody could hear an event: here, or on a server that PUBLISH passes it on to; a replica whose
-- link broke just now is none of those connected, and gets what it has missed from the backlog. Who may
-- not ask is one more who cannot know.
local heard
local function is_heard()
  if heard == nil then
    local here = redis.pcall('PUBSUB', 'NUMSUB', EVENTS)[2] ~= 0
      or redis.pcall('PUBSUB', 'NUMPAT') ~= 0
    local info = redis.pcall('INFO', 'replication', 'cluster')
    heard = here or type(info) ~= 'string' or not string.find(info, 'cluster_enabled:0', 1, true)
      or not string.find(info, 'repl_backlog_active:0', 1, true)
  end
  return heard
end

local function tell(what, whom, more)
  local event = '{"type":"' .. what .. '"' .. whom .. (more or '') .. TOLD_AT
  redis.call('XADD', LOG, '*', 'event', event)
  told = told + 1
  if told <= UNASKED or is_heard() then redis.call('PUBLISH', EVENTS, event) end
end

local function tell_started(whom)
  tell('agent.running', whom)
  tell('task.executing', whom)
end

local function catch_up()
  for _, flush in ipairs(flushes) do flush() end
end
