package deptest

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the folder of go.mod; tests run in the folder of their package.
const root = "../.."

// packages reads the imports of every package of the module from its source: of every file, whatever its build
// tags, and in this process, so that a cached result of this test notices a change.
func packages(t *testing.T) []pkg {
	t.Helper()
	found := map[string]*pkg{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") ||
			d.Name() == "testdata" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir() && path != root:
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
				return fs.SkipDir // a module of its own
			}
			return nil
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir := filepath.Dir(path)
		folder, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		p := found[folder]
		if p == nil {
			p = &pkg{path: strings.TrimSuffix(module+"/"+filepath.ToSlash(folder), "/.")}
			found[folder] = p
		}
		test := strings.HasSuffix(path, "_test.go")
		if !test {
			p.files = append(p.files, path)
		}
		for _, imp := range file.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			switch {
			case err != nil:
				return err
			case test:
				p.testImports = append(p.testImports, name)
			default:
				p.imports = append(p.imports, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for _, folder := range slices.Sorted(maps.Keys(found)) {
		p := *found[folder]
		p.imports = slices.Compact(slices.Sorted(slices.Values(p.imports)))
		p.testImports = slices.Compact(slices.Sorted(slices.Values(p.testImports)))
		all = append(all, p)
	}
	if len(all) < 3 {
		t.Fatalf("only %d packages were found", len(all))
	}
	return all
}

func TestArrows(t *testing.T) {
	for _, p := range packages(t) {
		for _, bad := range violations(p) {
			t.Error(bad)
		}
	}
}

// The rules read no clock and start nothing, so that the same script always gives the same end.
func TestRulesArePure(t *testing.T) {
	files := 0
	for _, p := range packages(t) {
		if p.path != module+"/lease" {
			continue
		}
		for _, f := range p.files {
			files++
			fset := token.NewFileSet()
			parsed, err := parser.ParseFile(fset, f, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, bad := range impure(fset, parsed) {
				t.Error(bad)
			}
		}
	}
	if files == 0 {
		t.Error("no file of package lease was looked at")
	}
}

// What users link does not carry package testing, not even through a dependency.
func TestCommandDoesNotLinkTesting(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./cmd/editlock")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list -deps: %v", err)
	}
	for dep := range strings.FieldsSeq(string(out)) {
		if dep == "testing" {
			t.Error("cmd/editlock links package testing; `go mod why -m` and `go list -deps -json` tell through whom")
		}
	}
}

// Every module that go.mod or tools/go.mod requires has its line in the table of dependencies, and no line is left over.
func TestEveryDependencyHasItsReason(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/adr/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		if told[m[1]] {
			t.Errorf("docs/adr/README.md has two lines for %s", m[1])
		}
		told[m[1]] = true
	}
	needed := map[string]bool{}
	for _, file := range []string{"go.mod", "tools/go.mod"} {
		b, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^(?:\t|require )([a-z0-9.]+\.[a-z]+/\S+) v\S+`).FindAllStringSubmatch(string(b), -1) {
			needed[m[1]] = true
			if !told[m[1]] {
				t.Errorf("%s requires %s, which has no line in the table of docs/adr/README.md", file, m[1])
			}
		}
	}
	for m := range told {
		if !needed[m] {
			t.Errorf("docs/adr/README.md tells of %s, which nothing requires", m)
		}
	}
	if len(needed) < 10 {
		t.Errorf("only %d requirements were found; is the pattern still right?", len(needed))
	}
}

// Every page of a decision is in the index, and every link of the index leads to a page.
func TestEveryDecisionIsListed(t *testing.T) {
	folder := filepath.Join(root, "docs/adr")
	index, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(folder, "[0-9]*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	for _, page := range pages {
		if name := filepath.Base(page); !strings.Contains(string(index), "("+name+")") {
			t.Errorf("docs/adr/README.md does not list %s", name)
		}
	}
	for _, m := range regexp.MustCompile(`\]\(([0-9]{4}-[^)]+)\)`).FindAllStringSubmatch(string(index), -1) {
		if _, err := os.Stat(filepath.Join(folder, m[1])); err != nil {
			t.Error(err)
		}
	}
}

// The table bites: each of these was forbidden for a reason.
func TestTableBites(t *testing.T) {
	forbidden := []struct{ from, imports string }{
		{"lease", "context"},
		{"lease", "net/http"},
		{"lease", "net"},
		{"lease", "os"},
		{"lease", "database/sql"},
		{"lease", "sync"},
		{"lease", "sync/atomic"},
		{"lease", "math/rand/v2"},
		{"lease", "crypto/rand"},
		{"lease", module + "/store"},
		{"lease", module},
		{"lease", "golang.org/x/sync/errgroup"},
		{"", "net/http"},
		{"", "database/sql"},
		{"", "flag"},
		{"", module + "/server"},
		{"", module + "/store/sqlite"},
		{"store", module + "/lease"},
		{"store/sqlite", module + "/store/mem"},
		{"store/sqlite", module + "/lease"},
		{"store/sqlite", "testing"},
		{"store/storetest", module + "/store/mem"},
		{"server", module + "/store/sqlite"},
		{"server", module + "/store"},
		{"server", "modernc.org/sqlite"},
		{"client", module + "/server"},
		{"guard", module + "/server"},
		{"", module + "/metrics"},
		{"", "github.com/prometheus/client_golang/prometheus"},
		{"server", "github.com/prometheus/client_golang/prometheus"},
		{"", "go.opentelemetry.io/otel/trace"},
		{"server", "go.opentelemetry.io/otel/trace"},
		{"wire", module + "/lease"},
		{"cmd/editlock", module + "/lease"},
		{"cmd/editlock", "testing"},
		{"internal/demo", module + "/store/mem"},
		{"examples/embedded", module + "/internal/demo"},
		{"server", "example.org/unheard/of"},
		{"util", "fmt"},
	}
	for _, f := range forbidden {
		if bad := violations(pkg{path: strings.TrimSuffix(module+"/"+f.from, "/"), imports: []string{f.imports}}); len(bad) == 0 {
			t.Errorf("%q may import %s", f.from, f.imports)
		}
	}
	allowed := []struct{ from, imports string }{
		{"lease", "golang.org/x/text/unicode/norm"},
		{"lease", "time"},
		{"", module + "/lease"},
		{"store/sqlite", module + "/store"},
		{"store/storetest", "testing"},
		{"server", module},
		{"cmd/editlock", module + "/store/sqlite"},
	}
	for _, a := range allowed {
		if bad := violations(pkg{path: strings.TrimSuffix(module+"/"+a.from, "/"), imports: []string{a.imports}}); len(bad) > 0 {
			t.Errorf("refused: %v", bad)
		}
	}
	if bad := violations(pkg{path: module + "/server", testImports: []string{module + "/cmd/editlock"}}); len(bad) == 0 {
		t.Error("a test may import a command")
	}
}

func TestImpureBites(t *testing.T) {
	for _, src := range []string{
		"package p; import \"time\"; var a = time.Now()",
		"package p; import \"time\"; var now = time.Now",
		"package p; import clock \"time\"; var a = clock.Since(clock.Time{})",
		"package p; import . \"time\"; var a = Now()",
		"package p; import \"time\"; func f() { time.Sleep(1) }",
		"package p; func f() { go f() }",
		"package p; var c chan int",
		"package p; func f() { select {} }",
	} {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "p.go", src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if len(impure(fset, file)) == 0 {
			t.Errorf("found nothing impure in: %s", src)
		}
	}
	src := "package p; import \"time\"; func f(now time.Time) bool { return now.After(now.Add(time.Second)) }"
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if bad := impure(fset, file); len(bad) > 0 {
		t.Errorf("refused what is pure: %v", bad)
	}
}
