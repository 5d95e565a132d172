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

local function run(name, first, last) return STEPS[name](unpack(ARGV, first, last)) end

local sound, problem = pcall(expect_structure)
local replies, i = {}, 8
while i <= #ARGV do
  local name, last = ARGV[i], i + 1 + tonumber(ARGV[i + 1])
  local fine, reply = sound, problem
  if sound then
    if not GATHERS[name] then catch_up() end
    fine, reply = pcall(run, name, i + 2, last)
    if not GATHERS[name] then catch_up() end
  end
  replies[#replies + 1] = fine and reply or refusal(reply)
  i = last + 1
end
close_call()
return replies
