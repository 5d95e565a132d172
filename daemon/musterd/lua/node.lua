-- The daemon's own record: its heartbeat, its name, and the fence of its claims.

-- register: take the node's name, or keep it; also the heartbeat of the record.
-- ARGS 1 epoch of a dead holder whose name is taken over ('' none) · then pairs of field and value
-- OK   {'ok', 1 if the record was new or another's, else 0, how many agents are listed as ours}
-- ELSE {'taken', epoch, host, pid, process} a live daemon has the name
function STEPS.register(dead, ...)
  local key = NODE .. ME
  local holder = redis.call('HMGET', key, 'epoch', 'host', 'pid', 'process')
  local ours = holder[1] == EPOCH
  if holder[1] and not ours and holder[1] ~= dead then
    return {'taken', holder[1], holder[2] or '', holder[3] or '', holder[4] or ''}
  end
  if not ours then redis.call('DEL', key) end
  redis.call('HSET', key, 'node', ME, 'epoch', EPOCH, ...)
  redis.call('PEXPIRE', key, TTL)
  redis.call('ZADD', NODES, NOW, ME)
  return {'ok', ours and 0 or 1, redis.call('SCARD', OWNED .. ME)}
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

-- offer: the kinds this daemon runs, with their defaults.
-- ARGS pairs of kind and JSON object
-- OK   {'ok'}
function STEPS.offer(...)
  local pairs_given = {...}
  for i = 1, #pairs_given, 2 do
    local rest = string.sub(pairs_given[i + 1], 2)
    local offer = '{"offeredAt":"' .. NOW_ISO .. '"' .. (rest == '}' and '' or ',') .. rest
    redis.call('HSET', KINDS, pairs_given[i], offer)
  end
  return {'ok'}
end
