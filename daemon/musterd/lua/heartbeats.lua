-- Heartbeats, many at once where the server can do that: since Valkey 9.1, and while it has memory.

-- Who cannot renew must not claim either.
if ME ~= '' then
  need('SET', HEARTBEAT, '')
  need('MGET', HEARTBEAT)
end

local BEAT = ME .. '/' .. EPOCH

local function set_at_once(keys)
  if #keys == 0 then return true end
  local arguments = {}
  for _, key in ipairs(keys) do push(arguments, key, BEAT) end
  push(arguments, 'PX', TTL)
  local reply = redis.pcall('MSETEX', #keys, unpack(arguments))
  return type(reply) ~= 'table' or not reply.err
end

local function begin_beats(keys)
  if set_at_once(keys) then return end
  for _, key in ipairs(keys) do redis.call('SET', key, BEAT, 'PX', TTL) end
end

local function renew_beats(keys)
  if set_at_once(keys) then return end
  for _, key in ipairs(keys) do redis.call('PEXPIRE', key, TTL) end
end
