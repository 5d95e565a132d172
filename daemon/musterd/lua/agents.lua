-- Agents as they are listed: by their status, and by who answers for them.
-- NEEDS lists

if ME ~= '' then
  rely(OWNED .. ME, 'set')
  need('SADD', OWNED .. ME)
  need('SREM', OWNED .. ME)
  need('DEL', HEARTBEAT)
end

local function unlist_agent(id)
  for _, index in pairs(AGENT_INDEX) do list(index, id, false) end
end

local members = {}    -- node → agent → whether it is the node's

local function own(node, agent_id, is_owned) put(members, node, agent_id, is_owned) end

local function write_members(node, of_node)
  local out, added = {}, {}
  for member, is_owned in pairs(of_node) do
    local part = is_owned and added or out
    part[#part + 1] = member
  end
  in_parts(out, redis.call, 'SREM', OWNED .. node)
  in_parts(added, redis.call, 'SADD', OWNED .. node)
end

local gone = {}       -- keys

local function drop(key) gone[#gone + 1] = key end

local outputs = {}    -- of agents that have ended: most have written none

-- An agent's output goes with its record.
local function expire_output(agent_id) outputs[#outputs + 1] = OUTPUT .. agent_id end

local function write_expiries()
  if #outputs == 0 or redis.call('EXISTS', unpack(outputs)) == 0 then return end
  for _, key in ipairs(outputs) do redis.call('PEXPIRE', key, RETENTION) end
end

flushes[#flushes + 1] = function()
  in_parts(gone, redis.call, 'DEL')
  for node, of_node in pairs(members) do write_members(node, of_node) end
  write_expiries()
  members, gone, outputs = {}, {}, {}
end
