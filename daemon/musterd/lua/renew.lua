-- renew: the heartbeats of this node's live agents.
-- ARGS the agents
-- OK   {'ok', agents that are no longer this owner's}
-- A key that is gone is not yet a lost agent: the server may have been away for longer than the TTL.
-- NEEDS records

if ME ~= '' then rely(OWNED .. ME, 'set') end

-- All at once where the server can do that: since Valkey 9.1, and while it has memory.
local function extend(keys, value)
  if #keys == 0 then return end
  local pairs_given = {}
  for _, key in ipairs(keys) do push(pairs_given, key, value) end
  push(pairs_given, 'PX', TTL)
  local reply = redis.pcall('MSETEX', #keys, unpack(pairs_given))
  if type(reply) == 'table' and reply.err then
    for _, key in ipairs(keys) do redis.call('PEXPIRE', key, TTL) end
  end
end

-- A heartbeat that is gone, or says another: set again if the record knows us.
local function revive(id, value)
  local fine, agent = pcall(read_agent, id)
  local is_ours = fine and agent and agent.node == ME and agent.epoch == EPOCH
    and not ended(AGENT_STEPS, agent.status)
  if is_ours then
    redis.call('SET', HEARTBEAT .. id, value, 'PX', TTL)
    redis.call('SADD', OWNED .. ME, id)
  end
  return is_ours
end

function STEPS.renew(...)
  local ids, keys, held, lost, mine = {...}, {}, {}, {}, ME .. '/' .. EPOCH
  if #ids == 0 then return {'ok', lost} end
  for i, id in ipairs(ids) do keys[i] = HEARTBEAT .. id end
  for i, value in ipairs(redis.call('MGET', unpack(keys))) do
    if value == mine then
      held[#held + 1] = keys[i]
    elseif not revive(ids[i], mine) then
      lost[#lost + 1] = ids[i]
    end
  end
  extend(held, mine)
  return {'ok', lost}
end
