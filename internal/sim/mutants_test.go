package sim_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// mutants are bugs that other systems, or the usual design of a lock, really had, each as a switch in package lease or editlock, and a few that
// were thought up.
var mutants = []struct {
	name, bug, seen string
	nodes           bool // needs several of them: of one alone it changes nothing
}{
	{"release-by-anyone", "a release frees whoever holds", "locks in Redis whose key is deleted without a look at whose it is by now", false},
	{"old-fence", "a late message with the fence of an earlier holding counts for the present one", "what fencing tokens were proposed for: HBase wrote on after a pause", false},
	{"late-expiry", "an expiry that was decided before the holder came back ends it all the same", "etcd #12528: a leader that was demoted revokes leases", true},
	{"cancel-releases", "leaving the line ends a hold as well", "thought up", false},
	{"absent-winner", "a grant that nobody confirms stays", "the usual design of such locks: the waiter who wins has gone", false},
	{"ghost-heir", "the next in line is granted whether it is there or not", "etcd #11456: who waits gets the lock though its lease has ended", false},
	{"last-first", "the last in line comes first", "thought up", false},
	{"fence-by-user", "the fence does not rise with each grant", "Redlock has none", false},
	{"one-clock", "the client trusts one clock, which stands still while the machine sleeps", "Go #24595: its monotonic clock does not run while the machine is suspended", false},
	{"belief-from-answer", "the client counts its lease from the answer, not from its sending", "what Chubby and River take care not to do", false},
	{"bye-frees", "a page that is reloaded loses its lock at once", "release on `unload`", false},
	{"disconnect-frees", "a closed connection ends the session", "the usual design", false},
	{"late-disconnect", "the late end of an old connection ends the session that has come back since", "the usual design", false},
	{"late-bye", "the late bye of an old page counts for the new one", "thought up", false},
	{"outage-counts", "the time in which the store was away counts against holders", "every edit lock with a time-out that we know", false},
	{"silence-in-outage", "silence is counted up to now, not up to the last moment at which the store was there", "ours, found by the real faults above", false},
	{"no-amnesty", "after an outage of ours nobody gets time to come back", "what etcd, Consul and Chubby take care not to do", false},
	{"restart-expires", "a restarted server ends the sessions of its predecessor at once", "likewise", false},
	{"timers-forgotten", "nothing becomes due by time alone", "etcd #10686: a lease is lost from the heap of those that expire", false},
	{"one-try", "an expiry that fails is not tried again", "Consul: six times, then never", false},
	{"unknown-is-done", "a write of unknown outcome counts as done", "thought up", false},
	{"grant-from-memory", "a write that the store refused counts as done", "Redis without a disk: what was extended is gone after a restart (redsync #147)", false},
	{"told-first", "people are told before it is durable", "NATS 2.12: acknowledged before it is synced", false},
	{"no-history-of-expiry", "an expiry leaves no entry in the history", "thought up", false},
	{"reused-token", "a resume token may be used any number of times, by anyone", "duplicated tabs, which copy `sessionStorage`", false},
	{"unseen-resume", "a session that was resumed by a write of unknown outcome has no time at all", "ours, found by this simulation", false},
	{"late-attempt", "a late attempt of a page to connect costs it the session that its next attempt has got", "ours, found by this simulation", false},
	{"fades", "a page that came back hears nothing more of what it gives away", "ours, seen by who tried it", false},
	{"deaf", "a node does not hear of what others write, and goes by what it knew", "caches that nobody told", true},
	{"late-elsewhere", "what an older connection says to one node counts though the session has come back to another", "what ZooKeeper refuses as a session that has moved", true},
	{"moved-in-no-time", "a session that has come to another node has no time but its own, whatever the node before may have promised", "ours, found by this simulation", true},
	{"resumed-unheard", "a node says what a session has before it has heard what others gave it", "thought up", true},
	{"dropped-in-resume", "a session is forgotten from under its resume", "ours, found by this simulation", true},
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
					found := batch(t, seeds+uint64(n), m.name, m.nodes)
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
			fmt.Printf("| `%s` | %s | %s | %d (%d to %d) |\n", m.name, m.bug, m.seen, median, took[0], took[len(took)-1])
			if median >= *patience {
				t.Errorf("not found in %d worlds", *patience)
			}
		})
	}
}

// batch lives through some worlds at once, and returns the first that went wrong, -1 if none did.
func batch(t *testing.T, from uint64, mutant string, nodes bool) int {
	n := 2 * runtime.NumCPU()
	bad := make([]bool, n)
	slots := make(chan struct{}, runtime.NumCPU())
	var all sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			r := inProcess(t, from+uint64(i), "-mutant="+mutant, fmt.Sprint("-shared=", nodes))
			bad[i] = len(r.Violations) > 0
		})
	}
	all.Wait()
	return slices.Index(bad, true)
}
