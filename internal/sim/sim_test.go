package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock/internal/sim"
)

var (
	seed     = flag.Uint64("seed", 0, "the world to live through; 0: several, from 1 on")
	first    = flag.Uint64("first", 1, "the first seed of several")
	worlds   = flag.Int("worlds", 30, "how many")
	length   = flag.Duration("length", 30*time.Minute, "virtual time of each")
	shared   = flag.Bool("shared", false, "several nodes at once on the store in every world, not only in three of ten")
	mutant   = flag.String("mutant", "", "a known bug to have")
	only     = flag.String("only", "", "look for this known bug alone")
	repeats  = flag.Int("repeats", 1, "how often to look for each known bug")
	patience = flag.Int("patience", 200, "worlds in which a known bug must be found")
	tell     = flag.Bool("tell", false, "print all that happens")
)

func init() { runtime.MemProfileRate = 0 }

// TestMain lives through one world, if it is told which, and says what became of it.
func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(m.Run())
}

// TestWorld lives through the world of a seed.
func TestWorld(t *testing.T) {
	if *seed == 0 {
		return // TestWorlds does, in a process for each
	}
	cfg := sim.Config{Seed: *seed, Length: *length, Shared: *shared}
	var told bytes.Buffer // to write it at once would be a moment of the machine's time in the world's
	if *tell {
		cfg.Trace = &told
	}
	if *mutant != "" {
		if mutate == nil {
			t.Fatal("this was built without mutants; see scripts/simulate")
		}
		mutate(*mutant)
	}
	var r sim.Result
	cryptotest.SetGlobalRandom(t, *seed)
	synctest.Test(t, func(*testing.T) {
		evenSeed(*seed)
		r = sim.Run(cfg)
	})
	_, _ = os.Stderr.Write(told.Bytes())
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%s%s\n", mark, data)
}

// mark begins the line with the result of a world.
const mark = "result of the world: "

// inProcess lives through a world in a process of its own: what an earlier one leaves behind in this would be felt.
func inProcess(t *testing.T, seed uint64, args ...string) (r sim.Result) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"-test.run=^TestWorld$", fmt.Sprint("-seed=", seed), fmt.Sprint("-length=", *length), fmt.Sprint("-shared=", *shared)}, args...)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1")
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil && t.Context().Err() == nil {
		r.Violations = []string{"it does not get on: something is done for ever at one moment"}
		return r
	}
	_, line, ok := strings.Cut(string(out), mark)
	if !ok {
		t.Fatalf("seed %d: %v\n%s", seed, err, out)
	}
	line, _, _ = strings.Cut(line, "\n")
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// Faults: N1, N3, N4, D2, D3, W1, W2, W4, B2, B5, B8, B9, B11, B12, Q1, Q3, Q7
//
// TestWorlds lives through worlds of faults, in which the promises are checked: safety throughout, liveness when the faults have stopped.
func TestWorlds(t *testing.T) {
	if *seed != 0 {
		return
	}
	var mu sync.Mutex
	var total sim.Count
	var lived time.Duration
	slots := make(chan struct{}, runtime.NumCPU())
	var all sync.WaitGroup
	for i := range *worlds {
		s := *first + uint64(i)
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			r := inProcess(t, s)
			mu.Lock()
			defer mu.Unlock()
			total.Add(r.Count)
			lived += r.Lived
			if len(r.Violations) > 0 {
				again := ""
				if *shared {
					again = " -shared"
				}
				t.Errorf("seed %d (bash scripts/simulate -seed %d -length %v%s):\n%s", s, s, *length, again, strings.Join(r.Violations, "\n"))
			}
		})
	}
	all.Wait()
	t.Logf("%v in %d worlds: %+v", lived, *worlds, total)
}
