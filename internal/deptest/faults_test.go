package deptest

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var write = flag.Bool("write", false, "put the tests that name a fault into the table of docs/operations.md")

var (
	faultLine = regexp.MustCompile(`Faults?: ((?:[NDWBQA]\d+(?:, | and )?)+)`)
	faultID   = regexp.MustCompile(`[NDWBQA]\d+`)
	faultRow  = regexp.MustCompile(`(?m)^\| ([NDWBQA]\d+) \| (.+?) \| (.*?) \|$`)
)

// shown is which tests name a fault: by folder, the names.
type shown map[string][]string

// cell is what the table says of them. scripts/test -fault reads it.
func (s shown) cell() string {
	if len(s) == 0 {
		return "not yet"
	}
	var list []string
	for _, folder := range slices.Sorted(maps.Keys(s)) {
		names := slices.Sorted(slices.Values(s[folder]))
		list = append(list, fmt.Sprintf("`./%s`: %s", folder, strings.Join(names, ", ")))
	}
	return strings.Join(list, "; ")
}

// tests finds what every test says of faults, in the comment above it or in its body.
func tests(t *testing.T) map[string]shown {
	t.Helper()
	found := map[string]shown{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || d.Name() == "deptest") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Test") {
				continue
			}
			for _, id := range faultsOf(file, fn) {
				if found[id] == nil {
					found[id] = shown{}
				}
				folder := strings.TrimSuffix(filepath.ToSlash(folder), ".") // the root is "./"
				if !slices.Contains(found[id][folder], fn.Name.Name) {
					found[id][folder] = append(found[id][folder], fn.Name.Name)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func faultsOf(file *ast.File, fn *ast.FuncDecl) []string {
	var ids []string
	for _, group := range file.Comments {
		if group != fn.Doc && (group.Pos() < fn.Pos() || group.End() > fn.End()) {
			continue
		}
		for _, m := range faultLine.FindAllStringSubmatch(group.Text(), -1) {
			ids = append(ids, faultID.FindAllString(m[1], -1)...)
		}
	}
	return ids
}

// The table of faults names for each the tests that show it, and no test names a fault that the table does not have.
// After adding one: go test ./internal/deptest -run TestFaultTable -write
func TestFaultTable(t *testing.T) {
	const path = root + "/docs/operations.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := tests(t)
	rows := map[string]bool{}
	after := faultRow.ReplaceAllStringFunc(string(page), func(line string) string {
		m := faultRow.FindStringSubmatch(line)
		if rows[m[1]] {
			t.Errorf("%s has two lines", m[1])
		}
		rows[m[1]] = true
		want := found[m[1]].cell()
		if m[3] != want && !*write {
			t.Errorf("%s is shown by %s; to say so in docs/operations.md, run: go test ./internal/deptest -run TestFaultTable -write", m[1], want)
		}
		return fmt.Sprintf("| %s | %s | %s |", m[1], m[2], want)
	})
	for _, id := range slices.Sorted(maps.Keys(found)) {
		if !rows[id] {
			t.Errorf("%v name fault %s, which docs/operations.md does not describe", found[id], id)
		}
	}
	if len(rows) < 50 {
		t.Errorf("the table has only %d faults", len(rows))
	}
	if *write {
		if err := os.WriteFile(path, []byte(after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
