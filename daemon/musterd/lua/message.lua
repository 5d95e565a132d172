-- Messages for a live agent. Some that it has taken stay for a while, so that one sent again is known.

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

local function is_known(key, message_id)
  for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do
    if field(entry, 'id') == message_id then return true end
  end
  return false
end

local function waiting(id, most)
  local taken = redis.call('HGET', AGENT .. id, 'taken')
  local after = taken and string.find(taken, '^%d+%-%d+$') and '(' .. taken or '-'
  return #redis.call('XRANGE', MESSAGES .. id, after, '+', 'COUNT', most)
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
  if not is_known(key, message_id) then
    if waiting(id, most) >= most then return {'full', string.format('%d', most)} end
    redis.call('XADD', key, 'MAXLEN', 2 * most, '*', 'id', message_id, 'message', message)
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
  local after = '-'
  if taken ~= '' then
    after = '(' .. taken
    if not ended(AGENT_STEPS, agent.status) then redis.call('HSET', AGENT .. id, 'taken', taken) end
  end
  local found = {}
  for _, entry in ipairs(redis.call('XRANGE', MESSAGES .. id, after, '+', 'COUNT', most)) do
    found[#found + 1] = entry[1]
    found[#found + 1] = field(entry, 'message')
  end
  return {'ok', found}
end
