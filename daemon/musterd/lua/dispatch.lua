-- Runs the steps one by one. What one of them refuses, or breaks on, is that one's answer.
-- {'later', why}: the server takes no writes at the moment; nothing of this step was written.

local PASSING = {OOM = true, MISCONF = true, READONLY = true, NOREPLICAS = true}

local function refusal(problem)
  local is_table = type(problem) == 'table'
  if is_table and not problem.err then return problem end
  local text = is_table and problem.err or tostring(problem)   -- which of the two, servers differ
  if PASSING[string.match(text, '^-?(%u+)')] then return {'later', text} end
  return {'broken', '', text}
end

-- These look at nothing that gathers, but for a claim, which sees to it itself.
local GATHERS = {submit = true, claim = true, start = true, finish = true}

-- Steps take texts: a number would lose its form where it is joined to one.
local function texts(step)
  for i = 2, #step do
    if type(step[i]) == 'number' then step[i] = string.format('%.0f', step[i]) end
  end
  return step
end

local function run(step) return STEPS[step[1]](unpack(texts(step), 2)) end

local sound, problem = pcall(expect_structure)
local replies = {}
for i, step in ipairs(cjson.decode(ARGV[8])) do
  local fine, reply = sound, problem
  if sound then
    local gathers = GATHERS[step[1]]
    if not gathers then catch_up() end
    fine, reply = pcall(run, step)
    if not gathers then catch_up() end
  end
  replies[i] = fine and reply or refusal(reply)
end
close_call()
return replies
