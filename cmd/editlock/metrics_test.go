package main

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/editlock/editlock/wire"
)

// family is a metric of a scrape.
type family struct {
	kind, help string
	labels     map[string]map[string]bool // the values of each
}

var (
	headLine   = regexp.MustCompile(`^# (HELP|TYPE) (\S+) (.*)$`)
	sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? \S+$`)
	labelPair  = regexp.MustCompile(`([a-zA-Z_]+)="([^"]*)"`)
)

// families reads a scrape.
func families(t *testing.T, text string) map[string]*family {
	t.Helper()
	all := map[string]*family{}
	of := func(name string) *family {
		if all[name] == nil {
			all[name] = &family{labels: map[string]map[string]bool{}}
		}
		return all[name]
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := headLine.FindStringSubmatch(line); m != nil {
			if f := of(m[2]); m[1] == "HELP" {
				f.help = m[3]
			} else {
				f.kind = m[3]
			}
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("not a line of a scrape: %q", line)
		}
		name := m[1]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base := strings.TrimSuffix(name, suffix); base != name && all[base] != nil {
				name = base
			}
		}
		for _, l := range labelPair.FindAllStringSubmatch(m[2], -1) {
			values := of(name).labels
			if values[l[1]] == nil {
				values[l[1]] = map[string]bool{}
			}
			values[l[1]][l[2]] = true
		}
	}
	return all
}

// metricsTable is the table of docs/operations.md.
func metricsTable(all map[string]*family) string {
	var b strings.Builder
	b.WriteString("| metric | kind | labels | |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !strings.HasPrefix(name, "editlock_") {
			continue
		}
		labels := slices.DeleteFunc(slices.Sorted(maps.Keys(all[name].labels)), func(l string) bool { return l == "le" })
		for i := range labels {
			labels[i] = "`" + labels[i] + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, all[name].kind, strings.Join(labels, ", "), all[name].help)
	}
	return b.String()
}

// busy is a scrape of a real server that people have used and misused, so that it has all there is to be counted.
func busy(t *testing.T) map[string]*family {
	t.Helper()
	s := serve(t, "--admin-listen=127.0.0.1:0")
	ana, ben := open(t, s), open(t, s)
	next[*wire.Welcome](t, ana, hello(mint(t, "--sub=7", "--name=Ana", "--right=edit:**")))
	next[*wire.Welcome](t, ben, hello(mint(t, "--sub=8", "--name=Ben", "--right=edit:**")))
	target := wire.Target{Resource: "article/42"}
	fence := next[*wire.OK](t, ana, &wire.Acquire{ID: 2, Target: target}).Snapshot.Mine.Fence
	next[*wire.OK](t, ana, &wire.Confirm{ID: 3, Target: target, Fence: fence})
	next[*wire.OK](t, ben, &wire.Acquire{ID: 2, Target: target})
	next[*wire.OK](t, ana, &wire.Release{ID: 4, Target: target, Fence: fence})
	if err := ana.conn.WriteString("{"); err != nil {
		t.Fatal(err)
	}
	select {
	case code := <-ana.closed:
		if code != wire.CloseBadMessage {
			t.Errorf("closed with %d", code)
		}
	case <-time.After(patience):
		t.Fatal("not closed")
	}
	if status := s.status(t, "/editlock/v1/socket"); status != http.StatusBadRequest {
		t.Errorf("no handshake: %d", status)
	}
	_, text := get(t, "http://"+s.admin(t)+"/metrics")
	return families(t, text)
}

// docs/operations.md lists every metric as it is.
func TestMetricsAreDocumented(t *testing.T) {
	all := busy(t)
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	if table := metricsTable(all); !strings.Contains(string(page), "\n"+table+"\n") {
		t.Errorf("the table of metrics in docs/operations.md is not this one:\n%s", table)
	}
}
