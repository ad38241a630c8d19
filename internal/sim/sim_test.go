package sim_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock/internal/sim"
)

var (
	seed   = flag.Uint64("seed", 0, "the world to live through; 0: several, from 1 on")
	first  = flag.Uint64("first", 1, "the first seed of several")
	worlds = flag.Int("worlds", 30, "how many")
	length = flag.Duration("length", 30*time.Minute, "virtual time of each")
	tell   = flag.Bool("tell", false, "print all that happens")
)

func init() { runtime.MemProfileRate = 0 }

func live(t *testing.T, seed uint64) (r sim.Result) {
	t.Helper()
	cfg := sim.Config{Seed: seed, Length: *length}
	var told bytes.Buffer // to write it at once would be a moment of the machine's time in the world's
	if *tell {
		cfg.Trace = &told
	}
	runtime.GC() // none in the world: see package even
	cryptotest.SetGlobalRandom(t, seed)
	synctest.Test(t, func(*testing.T) {
		evenSeed(seed)
		r = sim.Run(cfg)
	})
	_, _ = os.Stderr.Write(told.Bytes())
	return r
}

// TestWorlds lives through worlds of faults, in which every promise of docs/lease.md is checked.
func TestWorlds(t *testing.T) {
	from, n := *first, *worlds
	if *seed != 0 {
		from, n = *seed, 1
	}
	var total sim.Count
	var lived time.Duration
	for i := range n {
		s := from + uint64(i)
		ok := t.Run(fmt.Sprint(s), func(t *testing.T) {
			r := live(t, s)
			total.Add(r.Count)
			lived += r.Lived
			for _, v := range r.Violations {
				t.Errorf("seed %d, after %s", s, v)
			}
			t.Logf("seed %d sum %x lived %v", s, r.Sum, r.Lived)
		})
		if !ok {
			t.Logf("bash scripts/simulate -seed %d -length %v", s, *length)
		}
	}
	t.Logf("%v in %d worlds: %+v", lived, n, total)
}
