// Command even writes an overlay for the go command (go build -overlay) in which the runtime of Go runs goroutines evenly: what
// it draws by lot it draws from one fixed beginning, and it takes nobody's turn away because a clock says so. With one processor and no garbage
// collection, a program that waits for nothing outside then does the same at every run. It is for the simulation alone.
//
// It changes a few places of the standard library, and fails if it does not find them as it knows them: then this version of
// Go is new to it, and they have to be looked at.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// changes are what is different, by file of the standard library.
var changes = map[string][][2]string{
	"runtime/rand.go": {
		// The lots of maps, math/rand, and below of select, timers and mutexes, come from a stream for each thread, whose seed comes from the
		// machine. In a bubble of testing/synctest they come from one stream for all, that EvenSeed begins.
		{"func rand() uint64 {\n", `func rand() uint64 {
	if getg().bubble != nil {
		return evenRand()
	}
`},
		{"func randinit() {\n", `var evenState uint64

func EvenSeed(seed uint64) {
	evenState = seed
}

// evenRand is splitmix64.
//go:nosplit
func evenRand() uint64 {
	evenState += 0x9e3779b97f4a7c15
	z := evenState
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

//go:nosplit
func evenLot() uint32 {
	if getg().bubble == nil {
		return cheaprand()
	}
	return uint32(evenRand() >> 32)
}

func randinit() {
`},
		{"	globalRand.state.Init(*seed)\n", "	*seed = [32]byte{1}\n	globalRand.state.Init(*seed)\n"}, // of it come the hashes of maps
	},
	"runtime/select.go": {
		{"j := cheaprandn(uint32(norder + 1))", "j := uint32((uint64(evenLot()) * uint64(norder+1)) >> 32)"},
	},
	"runtime/sema.go": {
		{"s.ticket = cheaprand() | 1", "s.ticket = evenLot() | 1"},
	},
	"runtime/time.go": {
		// Which of several timers that are due at one moment of a bubble goes first is drawn outside of it, now and then.
		{"t.rand = cheaprand()", "t.rand = uint32(evenRand() >> 32)"},
	},
	"runtime/proc.go": {
		// Every 61st turn is another's; how many there were depends on what the runtime itself had to do.
		{"if pp.schedtick%61 == 0 && !sched.runq.empty() {", "if false {"},
		// With one processor there is never another to wake.
		{"func wakep() {\n", "func wakep() {\n	if gomaxprocs == 1 {\n		return\n	}\n"},
		{"const forcePreemptNS = 10 * 1000 * 1000 // 10ms", "const forcePreemptNS = 1 << 60"},
	},
	"runtime/stack.go": {
		// No collection of garbage tells what stacks goroutines need. To make them grow would take a sixth of the time.
		{"var startingStackSize uint32 = fixedStack", "var startingStackSize uint32 = 8 * fixedStack"},
	},
	"internal/sync/mutex.go": {
		// Who has waited for a mutex for a millisecond of the machine's time goes first.
		{"starvationThresholdNs = 1e6", "starvationThresholdNs = 1e18"},
	},
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: even DIRECTORY: writes the overlay there and prints its path")
		os.Exit(2)
	}
	path, err := write(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "even:", err)
		os.Exit(1)
	}
	fmt.Println(path)
}

func write(dir string) (string, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	library := filepath.Join(strings.TrimSpace(string(root)), "src")
	replace := map[string]string{}
	for name, list := range changes {
		data, err := os.ReadFile(filepath.Join(library, name))
		if err != nil {
			return "", err
		}
		text := string(data)
		for _, c := range list {
			if strings.Count(text, c[0]) != 1 {
				return "", fmt.Errorf("the standard library of this version of Go is not as it is known: %s has no single %q", name, c[0])
			}
			text = strings.Replace(text, c[0], c[1], 1)
		}
		out := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(out, []byte(text), 0o644); err != nil {
			return "", err
		}
		replace[filepath.Join(library, name)] = out
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, data, 0o644)
}
