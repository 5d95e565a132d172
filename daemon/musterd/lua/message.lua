-- Messages for a live agent: those that it has not taken yet.
-- NEEDS records submit

-- Of its kind, how many may wait for one agent; nil if it takes none.
local function mailbox_size(kind)
  return tonumber(read_defaults(redis.call('HGET', KINDS, kind) or '{}').messages)
end

local function field(entry, name)
  for i = 1, #entry[2], 2 do
    if entry[2][i] == name then return entry[2][i + 1] end
  end
  return ''   -- somebody wrote it by hand
end

-- The ids of the last messages, by which one that is sent again is known: the bodies stay unread.
local IDS_KEPT = 1000   -- characters

local function is_known(ids, message_id)
  return string.find(' ' .. ids .. ' ', ' ' .. message_id .. ' ', 1, true) ~= nil
end

local function remember(id, ids, message_id)
  ids = ids .. ' ' .. message_id
  if #ids > IDS_KEPT then ids = string.match(string.sub(ids, -IDS_KEPT), '%s(.*)$') or message_id end
  redis.call('HSET', AGENT .. id, 'mail', ids)
end

local function after(place)
  local ms, number = string.match(place, '^(%d+)%-(%d+)$')
  return ms and ms .. '-' .. string.format('%d', tonumber(number) + 1)
end

-- send: a message for an agent, kept until it has taken it or has ended.
-- ARGS 1 agent · 2 the message's own id · 3 message, JSON
-- OK   {'ok'}; again after it was applied: {'ok'} and it is there once
-- ELSE {'ended', status} · {'deaf', kind} its kind takes no messages · {'full', most} so many wait
function STEPS.send(id, message_id, message)
  local agent = read_agent(id) or refuse('not_found')
  if ended(AGENT_STEPS, agent.status) then return {'ended', agent.status} end
  local most, key = mailbox_size(agent.kind), MESSAGES .. id
  if not most then return {'deaf', agent.kind} end
  expect(key, 'stream')
  expect_voice(MAIL_BELL .. agent.node)
  local ids = redis.call('HGET', AGENT .. id, 'mail') or ''
  if not is_known(ids, message_id) then
    if redis.call('XLEN', key) >= most then return {'full', string.format('%d', most)} end
    redis.call('XADD', key, '*', 'id', message_id, 'message', message)
    remember(id, ids, message_id)
  end
  redis.call('PUBLISH', MAIL_BELL .. agent.node, id)
  return {'ok'}
end

-- receive: the messages after one that the agent has taken.
-- ARGS 1 agent · 2 token · 3 place of the last one taken ('' none yet) · 4 how many at most
-- OK   {'ok', pairs of place and message, flat}
function STEPS.receive(id, token, taken, most)
  local agent = read_owned(id, token)
  expect(MESSAGES .. id, 'stream')
  local first = taken ~= '' and after(taken)
  if first and not ended(AGENT_STEPS, agent.status) then
    redis.call('HSET', AGENT .. id, 'taken', taken)
    redis.call('XTRIM', MESSAGES .. id, 'MINID', first)
  end
  local found = {}
  for _, entry in ipairs(redis.call('XRANGE', MESSAGES .. id, first or '-', '+', 'COUNT', most)) do
    found[#found + 1] = entry[1]
    found[#found + 1] = field(entry, 'message')
  end
  return {'ok', found}
end
