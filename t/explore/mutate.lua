-- Changes the scripts of the ledger in one place at a time, and tells what
-- notices it: the explorer's walks, or else t/030-ledger-lua.t.
--
--     luajit t/explore/mutate.lua WORKER WORKERS [FILE...]
--
-- Each worker takes its share, in a directory of its own.  Changes that cannot
-- matter are in t/explore/equivalent.txt, with the reason.

package.path = 't/explore/?.lua;' .. package.path

local SCRIPTS = 'src/ledger/lua'

local FILES = { 'parts/entry.lua', 'outcome.lua', 'settle.lua', 'reserve.lua',
                'mark.lua', 'parts/windows.lua', 'parts/number.lua',
                'parts/limits.lua', 'parts/call.lua' }

-- what is found in a line, as a pattern, and what it becomes

local CHANGES = {
    { '==', '~=' }, { '~=', '==' }, { ' <= ', ' < ' }, { ' >= ', ' > ' },
    { ' < ', ' <= ' }, { ' > ', ' >= ' }, { ' and ', ' or ' },
    { ' or ', ' and ' }, { 'not ', '' }, { ' %+ 1%f[%D]', ' - 1' },
    { ' %- 1%f[%D]', ' + 1' }, { ' %+ ', ' - ' }, { ' %- ', ' + ' },
    { 'less%(', 'not less(' }, { 'add%(', 'minus(' }, { 'minus%(', 'add(' },
    { 'true', 'false' }, { 'false', 'true' },
    { 'if .+ then$', 'if true then' }, { 'if .+ then$', 'if false then' },
    { 'return .+$', 'return nil' },
}


local function read(path)
    local file = assert(io.open(path))
    local text = file:read('*a')

    file:close()

    return text
end


local function write(path, text)
    local file = assert(io.open(path, 'w'))

    file:write(text)
    file:close()
end


local function lines_of(text)
    local lines = {}

    for line in text:gmatch('([^\n]*)\n') do
        lines[#lines + 1] = line
    end

    return lines
end


-- all changes of a line: lists of { from, to, line }

local function changed(line)
    local out = {}

    for _, change in ipairs(CHANGES) do
        local from, to = line:find(change[1])

        while from do
            out[#out + 1] = line:sub(1, from - 1) .. change[2]
                            .. line:sub(to + 1)
            from, to = line:find(change[1], to + 1)
        end
    end

    return out
end


local function mutants_of(file)
    local out, lines = {}, lines_of(read(SCRIPTS .. '/' .. file))

    for n, line in ipairs(lines) do
        if not line:find('^%s*%-%-') then
            for _, other in ipairs(changed(line)) do
                local was = lines[n]

                lines[n] = other
                out[#out + 1] = { file = file, n = n, from = was, to = other,
                                  text = table.concat(lines, '\n') .. '\n' }
                lines[n] = was
            end
        end
    end

    return out
end


-- a tree in which a script can be changed

local function make_tree(worker)
    local name = os.tmpname()
    local dir = name .. '-mutants-' .. worker

    os.remove(name)
    os.execute(('mkdir -p %s/src/ledger && cp -r %s %s/src/ledger/lua && '
                .. 'ln -s $PWD/t $PWD/util $PWD/doc %s/')
               :format(dir, SCRIPTS, dir, dir))

    return dir
end


local function run(dir, command)
    local pipe = io.popen(('cd %s && timeout 900 %s 2>&1; echo "exit $?"')
                          :format(dir, command))
    local text = pipe:read('*a')

    pipe:close()

    return text:match('exit (%d+)%s*$') == '0', text
end


-- who notices a change, or nil

local function noticed(dir, mutant)
    if not loadstring(mutant.text) then
        return 'the compiler'
    end

    local ok, text = run(dir, 'luajit -joff t/explore/main.lua check '
                              .. SCRIPTS .. ' 40 1')

    if not ok then
        return 'explore: ' .. (text:match('VIOLATION ([^\n]*)')
                               or text:match('[^\n]*'))
    end

    -- the plan comes last, and only where nothing was in its way
    ok, text = run(dir, "perl t/030-ledger-lua.t 2>&1 "
                        .. "| grep -a -m 1 -E '^(not ok|1\\.\\.)'")

    if not ok or not text:find('^1%.%.') then
        return 't/030: ' .. (text:match('^not ok %d+ %- ([^\n]*)') or 'it ends')
    end
end


local function trimmed(line)
    return line:match('^%s*(.-)%s*$')
end


-- lines "FILE: from -> to: why"

local function is_known(known, mutant)
    local name = ('%s: %s -> %s: '):format(mutant.file, trimmed(mutant.from),
                                          trimmed(mutant.to))

    return known:find('\n' .. name, 1, true)
end


local worker, workers = tonumber(arg[1]), tonumber(arg[2])
local files, all, survived = {}, 0, 0
local known = '\n' .. read('t/explore/equivalent.txt')
local dir = make_tree(worker)

local sound = noticed(dir, { text = '' })

if sound then
    print('without a change: ' .. sound)
    os.exit(1)
end

for i = 3, #arg do
    files[i - 2] = arg[i]
end

for _, file in ipairs(#files > 0 and files or FILES) do
    local path = dir .. '/' .. SCRIPTS .. '/' .. file
    local whole = read(path)

    for i, mutant in ipairs(mutants_of(file)) do
        if i % workers == worker - 1 then
            local who

            write(path, mutant.text)
            who = noticed(dir, mutant)
            all = all + 1

            if not who and is_known(known, mutant) then
                who = 'nobody, it cannot matter'
            end

            survived = survived + (who and 0 or 1)
            print(('%s:%d: %s -> %s: %s'):format(file, mutant.n,
                  trimmed(mutant.from), trimmed(mutant.to),
                  who or 'SURVIVED'))
            io.flush()
        end
    end

    write(path, whole)
end

os.execute('rm -rf ' .. dir)
print(('%d changes, %d survived'):format(all, survived))
os.exit(survived > 0 and 1 or 0)
