-- The tables of doc/ledger.md, as tables.

local Doc = {}


local function cells_of(line)
    local cells = {}

    for cell in line:gmatch('|([^|]*)') do
        cells[#cells + 1] = cell:match('^%s*`?(.-)`?%s*$')
    end

    cells[#cells] = nil

    return cells
end


-- the table whose first line begins with that name: rows by their first cell,
-- cells by the name of their column

function Doc.table_of(file, name)
    local rows, head = {}, nil

    for line in io.lines(file) do
        local cells = line:sub(1, 1) == '|' and cells_of(line)

        if cells and head and not cells[1]:find('^%-+$') then
            local row = {}

            for i = 2, #cells do
                row[head[i]] = cells[i]
            end

            rows[cells[1]] = row

        elseif not cells and head then
            return rows

        elseif cells and line:sub(1, #name + 4) == '| ' .. name .. ' |' then
            head = cells
        end
    end

    assert(head, file .. ' has no table of "' .. name .. '"')

    return rows
end


return Doc
