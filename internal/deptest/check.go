package deptest

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// pkg is a package of the module: its import path, its files without tests, and what they and its tests import.
type pkg struct {
	path                 string
	files                []string
	imports, testImports []string
}

// covers reports whether pattern, which may end in "/...", stands for path.
func covers(pattern, path string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == base || strings.HasPrefix(path, base+"/")
	}
	return pattern == path
}

func coveredBy(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return covers(p, path) })
}

// folderOf gives the folder of a package of the module, "" being its root, and whether it is one.
func folderOf(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

// roomOf finds the room of a folder: the longest pattern that covers it, an exact one first.
func roomOf(folder string) (room, bool) {
	best, length := room{}, -1
	for _, r := range rooms {
		n := len(r.folder)
		if r.folder == folder {
			n = 1 << 10
		}
		if covers(r.folder, folder) && n > length {
			best, length = r, n
		}
	}
	return best, length >= 0
}

// violations lists the imports of p that its room forbids, in words that say what to do.
func violations(p pkg) []string {
	folder, _ := folderOf(p.path)
	r, ok := roomOf(folder)
	if !ok {
		return []string{fmt.Sprintf("%s: no room has this package: put it into one, or add a line with its reason to internal/deptest/arrows.go", folder)}
	}
	var bad []string
	for _, imp := range p.imports {
		if why := refusal(r, imp); why != "" {
			bad = append(bad, fmt.Sprintf("%s imports %s: %s", name(folder), imp, why))
		}
	}
	for _, imp := range p.testImports {
		if f, ours := folderOf(imp); ours && covers("cmd/...", f) && f != folder {
			bad = append(bad, fmt.Sprintf("a test of %s imports %s: nothing imports a command", name(folder), imp))
		}
	}
	return bad
}

// refusal says why a room may not import a package, or nothing.
func refusal(r room, imp string) string {
	if f, ours := folderOf(imp); ours {
		if coveredBy(r.ours, f) {
			return ""
		}
		return "that arrow is not in the design (" + r.why + ")"
	}
	if imp == "testing" || strings.HasPrefix(imp, "testing/") {
		if r.suite {
			return ""
		}
		return "production code must not link package testing, with its flags, into users' programs"
	}
	if coveredBy(r.never, imp) {
		return r.why
	}
	if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
		return ""
	}
	for mod, o := range outside {
		if covers(mod+"/...", imp) {
			if slices.Contains(o.rooms, r.folder) {
				return ""
			}
			return o.why
		}
	}
	return "no room may import it: add it, with the reason, to internal/deptest/arrows.go and docs/adr/README.md"
}

// impure lists what a file of the rules does that is not pure: reading a clock, waiting, starting goroutines.
func impure(fset *token.FileSet, file *ast.File) []string {
	clock := ""
	var bad []string
	say := func(n ast.Node, what string) {
		bad = append(bad, fmt.Sprintf("%s: %s", fset.Position(n.Pos()), what))
	}
	for _, imp := range file.Imports {
		if path, _ := strconv.Unquote(imp.Path.Value); path == "time" {
			clock = "time"
			if imp.Name != nil {
				clock = imp.Name.Name
			}
			if clock == "." {
				say(imp, "imports time by a dot, which hides who reads the clock")
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && clock != "" && x.Name == clock && slices.Contains(noClock, n.Sel.Name) {
				say(n, "time."+n.Sel.Name+": the rules are told the time, they never ask for it")
			}
		case *ast.GoStmt:
			say(n, "starts a goroutine: the rules are a function")
		case *ast.ChanType, *ast.SelectStmt:
			say(n, "uses a channel: the rules are a function")
		}
		return true
	})
	return bad
}

func name(folder string) string {
	if folder == "" {
		return "the root package"
	}
	return folder
}
