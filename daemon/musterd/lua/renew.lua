-- renew: the heartbeats of this node's live agents.
-- ARGS the agents
-- OK   {'ok', agents that are no longer this owner's}
-- A key that is gone is not yet a lost agent: the server may have been away for longer than the TTL.
-- NEEDS records

if ME ~= '' then rely(OWNED .. ME, 'set') end
function STEPS.renew(...)
  local lost, mine = {}, ME .. '/' .. EPOCH
  for _, id in ipairs({...}) do
    if redis.pcall('GET', HEARTBEAT .. id) == mine then
      redis.call('PEXPIRE', HEARTBEAT .. id, TTL)
    else
      local fine, agent = pcall(read_agent, id)
      if fine and agent and agent.node == ME and agent.epoch == EPOCH
        and not ended(AGENT_STEPS, agent.status) then
        redis.call('SET', HEARTBEAT .. id, mine, 'PX', TTL)
        redis.call('SADD', OWNED .. ME, id)
      else
        lost[#lost + 1] = id
      end
    end
  end
  return {'ok', lost}
end
