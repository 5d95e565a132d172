-- submit: a new task, pending: in its kind's queue, or scheduled if it has a delay.
-- ARGS 1 task · 2 kind · 3 context, JSON · 4 priority, 0 to 9 · 5 delay, ms · 6 timeout, s
--      7 max attempts · 8 metadata, JSON
-- OK   {'ok', 1} created · {'ok', 0} it was there, with the same kind and context
-- ELSE {'exists'} · {'unknown_kind', those that are known}
-- NEEDS lists

rely(KINDS, 'hash')
rely(TASK_INDEX.pending, 'zset')

-- What an offer says but for its schema, which daemons write last: 64 KiB are too much to be decoded
-- for each task.
local function read_defaults(offer)
  local schema = string.find(offer, ',"schema":', 1, true)
  local fine, defaults = pcall(cjson.decode,
    schema and string.sub(offer, 1, schema - 1) .. '}' or offer)
  return fine and type(defaults) == 'table' and defaults or {}
end

-- A kind's defaults, read once a call; false if it is unknown, though others are known.
local offers = {}
local function defaults_of(kind)
  if offers[kind] == nil then
    local offer = redis.call('HGET', KINDS, kind)
    local is_unknown = not offer and redis.call('HLEN', KINDS) > 0
    offers[kind] = not is_unknown and read_defaults(offer or '{}')
  end
  return offers[kind]
end

-- Writes the record and tells of it; the task is in no queue yet.
local function create(task, context, max_attempts, timeout, metadata)
  set(TASK .. task.id, 'status', 'pending', 'updatedAt', NOW_ISO, 'kind', task.kind,
    'attempt', '0', 'maxAttempts', max_attempts, 'priority', task.priority, 'taskId', task.id,
    'context', context, 'timeout', timeout, 'metadata', metadata, 'createdAt', NOW_ISO)
  -- An id whose record has expired may be used again: what was listed under it is of the past.
  list(TASK_INDEX.completed, task.id, false)
  list(TASK_INDEX.failed, task.id, false)
  shift(TASK_INDEX, task.id, nil, 'pending')
  tell('task.pending', about(task))
end

function STEPS.submit(id, kind, context, priority, delay, timeout, max_attempts, metadata)
  local known = read(TASK .. id, 'status', 'kind', 'context')
  if known[1] then
    if not TASK_STEPS[known[1]] or not known[2] then
      refuse('broken', TASK .. id, 'status or kind is missing or nonsense')
    end
    return known[2] == kind and (known[3] or '') == context and {'ok', 0} or {'exists'}
  end
  local defaults = defaults_of(kind)
  if not defaults then return {'unknown_kind', redis.call('HKEYS', KINDS)} end
  expect_queue(kind)
  local function default(name)
    return type(defaults[name]) == 'number' and tostring(defaults[name]) or ''
  end

  local task = {id = id, kind = kind, attempt = 0, priority = tonumber(priority)}
  create(task, context, max_attempts ~= '' and max_attempts or default('maxAttempts'),
    timeout ~= '' and timeout or default('timeout'), metadata)
  enqueue(task, tonumber(delay))
  return {'ok', 1}
end
