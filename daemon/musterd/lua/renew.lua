-- renew: the heartbeats of this node's live agents.
-- ARGS the agents
-- OK   {'ok', agents that are no longer this owner's}
-- A key that is gone is not yet a lost agent: the server may have been away for longer than the TTL.
-- NEEDS records heartbeats

if ME ~= '' then rely(OWNED .. ME, 'set') end

-- A heartbeat that is gone, or says another: set again if the record knows us.
local function revive(id)
  local fine, agent = pcall(read_agent, id)
  local is_ours = fine and agent and agent.node == ME and agent.epoch == EPOCH
    and not ended(AGENT_STEPS, agent.status)
  if is_ours then
    begin_beats({HEARTBEAT .. id})
    redis.call('SADD', OWNED .. ME, id)
  end
  return is_ours
end

function STEPS.renew(...)
  local ids, keys, held, lost = {...}, {}, {}, {}
  if #ids == 0 then return {'ok', lost} end
  for i, id in ipairs(ids) do keys[i] = HEARTBEAT .. id end
  for i, value in ipairs(redis.call('MGET', unpack(keys))) do
    if value == BEAT then
      held[#held + 1] = keys[i]
    elseif not revive(ids[i]) then
      lost[#lost + 1] = ids[i]
    end
  end
  renew_beats(held)
  return {'ok', lost}
end
