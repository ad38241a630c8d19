//go:build linux

package nemesis

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/editlock/editlock/internal/history"
)

var (
	length  = flag.Duration("for", 40*time.Second, "how long faults happen")
	seed    = flag.Uint64("seed", 0, "decides the schedule of faults, and what the clients do; 0: any")
	keep    = flag.String("keep", "", "folder that gets the history, and what the server says")
	recheck = flag.String("recheck", "", "file with a history that is to be judged again, instead of a run")

	buildFlags []string
)

func TestMain(m *testing.M) {
	Roles()
	os.Exit(m.Run())
}

// Real clients of a real server, kill -9, stopped processes, deploys, cut, half-open and slow networks, a full, failing and
// hanging disk: what the clients saw is linearizable, nobody is lost, doubled or stuck, and all is in time.
// docs/proof.md tells what is judged, and of longer runs.
// Faults: N1, N3, N4, N5, D2, D6, D7, D16, W1, W2, W4, B8, B11, Q1, Q2, Q3, Q7
func TestRealFaults(t *testing.T) {
	if *recheck != "" {
		f, err := os.Open(*recheck)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		lines, err := history.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		judge(t, lines, filepath.Dir(*recheck))
		return
	}
	if *seed == 0 {
		*seed = rand.Uint64()>>1 + 1
	}
	here, err := Alone(t.Context(), "-test.run=^TestRealFaults$", "-test.v", fmt.Sprint("-seed=", *seed))
	if err != nil {
		t.Fatal(err)
	}
	if !here {
		return
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "editlock")
	build := append(append([]string{"build"}, buildFlags...), "-o", program, "github.com/editlock/editlock/cmd/editlock")
	if out, err := exec.Command("go", build...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if *keep != "" {
		dir = *keep
	}
	journal, err := os.Create(filepath.Join(dir, "history"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = journal.Close() }()
	o := Options{Program: program, Dir: dir, Journal: journal, Progress: os.Stdout, For: *length, Seed: *seed, TTL: 10 * time.Second,
		Pace: 0.15, Crowds: 8, Hosts: 2, Articles: 24}
	if *length >= 10*time.Minute {
		o.Storm, o.Peace, o.Pace, o.Crowds, o.Articles = 110*time.Second, 70*time.Second, 0.8, 12, 32
	}
	t.Logf("seed %d", o.Seed)
	lines, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	judge(t, lines, *keep)
}

// judge fails the test if the history breaks a promise, or has too little to show any.
func judge(t *testing.T, lines []history.Line, dir string) {
	t.Helper()
	v, err := history.Check(lines, func(resource string, info porcupine.LinearizationInfo) {
		if dir == "" {
			return
		}
		path := filepath.Join(dir, strings.ReplaceAll(resource, "/", "-")+".html")
		if err := porcupine.VisualizePath(history.Model, info, path); err != nil {
			t.Error(err)
		}
		t.Logf("%s is shown in %s", resource, path)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(v)
	for i, a := range v.Accusations {
		t.Errorf("%s: %s", a.Promise, a.Text)
		if i < 3 {
			t.Logf("%.20000s", history.Story(lines, a.Resource, a.At-20e9, a.At+2e9))
		}
	}
	for _, lack := range v.Void(Least(v.Length)) {
		t.Error("void: ", lack)
	}
}
