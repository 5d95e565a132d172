-- The daemon's own record: its heartbeat, its name, and the fence of its claims.
-- NEEDS submit

rely(NODES, 'zset')
if ME ~= '' then
  rely(NODE .. ME, 'hash')
  rely(EPOCHS .. ME, 'zset')
end

local LIVES, LIVES_KEPT = 32, 30 * 86400 * 1000   -- ms
local KIND_KEPT = 30 * 86400                     -- s

local function process_of(...)
  local pairs_given = {...}
  for i = 1, #pairs_given, 2 do
    if pairs_given[i] == 'process' then return pairs_given[i + 1] end
  end
  return ''
end

local function unset_empty(key, ...)
  local pairs_given = {...}
  for i = 1, #pairs_given, 2 do
    if pairs_given[i + 1] == '' then redis.call('HDEL', key, pairs_given[i]) end
  end
end

-- register: take the node's name, or keep it; also the heartbeat of the record.
-- ARGS 1 epoch of a dead holder whose name is taken over ('' none) · then pairs of field and value,
--      '' takes the field off
-- OK   {'ok', 1 if the record was new or another's, else 0, how many agents are listed as ours}
-- ELSE {'taken', epoch, host, pid, process} a live daemon has the name
function STEPS.register(dead, ...)
  local key = NODE .. ME
  local holder = redis.call('HMGET', key, 'epoch', 'host', 'pid', 'process')
  local ours = holder[1] == EPOCH
  if holder[1] and not ours and holder[1] ~= dead then
    return {'taken', holder[1], holder[2] or '', holder[3] or '', holder[4] or ''}
  end
  -- First what a server without memory allows: then it takes the rest of this step as well, and a
  -- daemon stays alive while its writes must wait.
  if ours then redis.call('PEXPIRE', key, TTL) else redis.call('DEL', key) end
  set(key, 'node', ME, 'epoch', EPOCH, ...)
  unset_empty(key, ...)
  redis.call('HSETNX', key, 'startedAt', NOW_ISO)
  redis.call('PEXPIRE', key, TTL)
  redis.call('ZADD', NODES, NOW, ME)
  redis.call('ZADD', EPOCHS .. ME, 'NX', NOW, EPOCH .. ' ' .. process_of(...))
  redis.call('ZREMRANGEBYRANK', EPOCHS .. ME, 0, -LIVES - 1)
  redis.call('PEXPIRE', EPOCHS .. ME, LIVES_KEPT)
  return {'ok', ours and 0 or 1, redis.call('SCARD', OWNED .. ME)}
end

-- lives: the earlier lives of this node; processes of them may still run.
-- OK   {'ok', lives}, each an epoch, a space, and the process that lived it
function STEPS.lives()
  local lives = {}
  for _, life in ipairs(redis.call('ZRANGE', EPOCHS .. ME, 0, -1)) do
    if string.match(life, '^%S+') ~= EPOCH then lives[#lives + 1] = life end
  end
  return {'ok', lives}
end

-- release: a clean stop; what is still owned stays listed, for whoever settles it.
-- OK   {'ok'}
-- ELSE {'not_owner'} another daemon has the name by now
function STEPS.release()
  if redis.call('HGET', NODE .. ME, 'epoch') ~= EPOCH then refuse('not_owner') end
  redis.call('DEL', NODE .. ME)
  if redis.call('SCARD', OWNED .. ME) == 0 then redis.call('ZREM', NODES, ME) end
  return {'ok'}
end

-- Kinds that nobody has offered for long; those are none any more. Offers are large, so they are read
-- only where one has not been renewed today, or makes them more.
local function old_kinds(given)
  local found, oldest = {}, iso(tonumber(time[1]) - KIND_KEPT, MS)
  local known = redis.call('HGETALL', KINDS)
  for i = 1, #known, 2 do
    local at = string.match(known[i + 1], '"offeredAt":"([^"]*)"')
    if not given[known[i]] and (not at or at < oldest) then found[#found + 1] = known[i] end
  end
  return found
end

local function is_of_today(kind)
  local offer = redis.call('HGET', KINDS, kind) or ''
  return string.match(offer, '"offeredAt":"([^T"]*)') == string.sub(NOW_ISO, 1, 10)
end

-- offer: the kinds this daemon runs, with their defaults and schemas.
-- ARGS 1 kinds that may be offered in all · then pairs of kind and JSON object
-- OK   {'ok'}
-- ELSE {'full', how many it would be} some of these are new, and too many
function STEPS.offer(most, ...)
  local pairs_given, given, new, is_due = {...}, {}, 0, false
  for i = 1, #pairs_given, 2 do
    given[pairs_given[i]] = true
    new = new + 1 - redis.call('HEXISTS', KINDS, pairs_given[i])
    is_due = is_due or not is_of_today(pairs_given[i])
  end
  local old = is_due and old_kinds(given) or {}
  local count = redis.call('HLEN', KINDS) - #old + new
  if new > 0 and count > tonumber(most) then return {'full', string.format('%d', count)} end
  if #old > 0 then redis.call('HDEL', KINDS, unpack(old)) end
  offers = {}
  for i = 1, #pairs_given, 2 do
    local rest = string.sub(pairs_given[i + 1], 2)
    local offer = '{"offeredAt":"' .. NOW_ISO .. '"' .. (rest == '}' and '' or ',') .. rest
    redis.call('HSET', KINDS, pairs_given[i], offer)
  end
  return {'ok'}
end
