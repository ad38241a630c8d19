package sim_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// mutants are bugs that other systems, or the usual design of a lock, really had, each as a switch in package lease or editlock.
var mutants = []struct{ name, bug string }{
	{"release-by-anyone", "a release frees whoever holds, as where the row's owner is not compared (the usual design; deleting a key that is another's by now)"},
	{"old-fence", "a late message with the fence of an earlier holding counts for the present one"},
	{"late-expiry", "an expiry that was decided before the holder came back ends it all the same (etcd: a demoted leader revokes)"},
	{"cancel-releases", "leaving the line ends a hold as well"},
	{"absent-winner", "a grant that nobody confirms stays (the usual design: the lock goes to a waiter who has gone)"},
	{"ghost-heir", "the next in line is granted whether it is there or not (the usual design)"},
	{"last-first", "the last in line comes first"},
	{"fence-by-user", "the fence does not rise with each grant (a lock without a fencing token)"},
	{"one-clock", "the client trusts one clock, which stands still while the machine sleeps"},
	{"belief-from-answer", "the client counts its lease from the answer, not from its sending"},
	{"bye-frees", "a page that is reloaded loses its lock at once (release on unload)"},
	{"disconnect-frees", "a closed connection ends the session (the usual design)"},
	{"late-disconnect", "the late end of an old connection ends the session that has come back since (the usual design)"},
	{"late-bye", "the late bye of an old page counts for the new one"},
	{"outage-counts", "the time in which the store was away counts against holders"},
	{"silence-in-outage", "silence is counted up to now, not up to the last moment at which the store was there"},
	{"no-amnesty", "after an outage of ours nobody gets time to come back"},
	{"restart-expires", "a restarted server ends the sessions of its predecessor at once"},
	{"timers-forgotten", "nothing becomes due by time alone (a row that only the next message would free)"},
	{"one-try", "an expiry that fails is not tried again (Consul: six times, then never)"},
	{"unknown-is-done", "a write of unknown outcome counts as done"},
	{"grant-from-memory", "a write that the store refused counts as done"},
	{"told-first", "people are told before it is durable (NATS: acknowledged before it is synced)"},
	{"no-history-of-expiry", "an expiry leaves no entry in the history"},
	{"reused-token", "a resume token may be used any number of times, by anyone"},
	{"unseen-resume", "a session that was resumed by a write of unknown outcome has no time at all (ours, found by this simulation)"},
	{"late-attempt", "a late attempt of a page to connect costs it the session that its next attempt has got (ours, found by this simulation)"},
}

var mutate func(name string) // nil: built without mutants

// TestMutantsAreFound lives through worlds with a known bug each, until the judge finds it.
func TestMutantsAreFound(t *testing.T) {
	if mutate == nil || *seed != 0 {
		return // scripts/simulate builds with mutants, and runs this
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			if *only != "" && *only != m.name {
				return
			}
			var took []int
			for k := range *repeats {
				n := 0
				for seeds := 1 + uint64(k)*10_000; n < *patience; {
					found := batch(t, seeds+uint64(n), m.name)
					if found >= 0 {
						n += found + 1
						break
					}
					n += 2 * runtime.NumCPU()
				}
				took = append(took, n)
			}
			slices.Sort(took)
			median := took[len(took)/2]
			fmt.Printf("| `%s` | %s | %d |\n", m.name, m.bug, median)
			if median >= *patience {
				t.Errorf("not found in %d worlds", *patience)
			}
		})
	}
}

// batch lives through some worlds at once, and returns the first that went wrong, -1 if none did.
func batch(t *testing.T, from uint64, mutant string) int {
	n := 2 * runtime.NumCPU()
	bad := make([]bool, n)
	slots := make(chan struct{}, runtime.NumCPU())
	var all sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			r := inProcess(t, from+uint64(i), "-mutant="+mutant)
			bad[i] = len(r.Violations) > 0
		})
	}
	all.Wait()
	return slices.Index(bad, true)
}
