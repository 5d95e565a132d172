-- renew: the heartbeats of this node's live agents.
-- ARGS the agents
-- OK   {'ok', agents that are no longer this owner's}
-- A key that is gone is not yet a lost agent: the server may have been away for longer than the TTL.
function STEPS.renew(...)
  local lost = {}
  for _, id in ipairs({...}) do
    if redis.call('PEXPIRE', HEARTBEAT .. id, TTL) == 0 then
      local a = redis.call('HMGET', AGENT .. id, 'node', 'epoch', 'status')
      if a[1] == ME and a[2] == EPOCH and a[3] and not ended(AGENT_STEPS, a[3]) then
        redis.call('SET', HEARTBEAT .. id, ME .. '/' .. EPOCH, 'PX', TTL)
        redis.call('SADD', OWNED .. ME, id)
      else
        lost[#lost + 1] = id
      end
    end
  end
  return {'ok', lost}
end
