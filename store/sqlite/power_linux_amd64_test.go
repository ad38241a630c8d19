package sqlite

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/editlock/editlock/store"
)

// event is something that a store did to its disk, or that somebody was told.
type event struct {
	What string // a name of a call below; or "asked", "answered"
	File string // base name
	To   string // of a rename
	At   int64  // offset, or size
	Data []byte
	I    int // of the writer
	N    uint64
	Rev  int64
}

// recorder notes what a store does to the files of one directory, in order.
type recorder struct {
	dir    string
	memory *os.File

	mu     sync.Mutex
	events []event
}

func (r *recorder) add(e event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// bytes reads the memory of this process, whose thread waits for its system call.
func (r *recorder) bytes(at uint64, n int) []byte {
	b := make([]byte, n)
	got, _ := r.memory.ReadAt(b, int64(at))
	return b[:got]
}

func (r *recorder) path(at uint64) string {
	b := r.bytes(at, 4096)
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// watched are the calls by which a file, or a directory, can be changed or made durable.
var watched = []uint32{unix.SYS_PWRITE64, unix.SYS_WRITE, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE, unix.SYS_FSYNC, unix.SYS_FDATASYNC,
	unix.SYS_OPEN, unix.SYS_OPENAT, unix.SYS_UNLINK, unix.SYS_UNLINKAT, unix.SYS_RENAME, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2}

func (r *recorder) note(n notification) {
	inDir := func(path string) (string, bool) {
		return filepath.Base(path), filepath.Dir(path) == r.dir && !strings.HasSuffix(path, "-shm") && !strings.HasSuffix(path, ".lock")
	}
	named := func(what string, path string, e event) {
		if name, ok := inDir(path); ok {
			e.What, e.File = what, name
			r.add(e)
		}
	}
	fd := func() string {
		link, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", n.args[0]))
		return link
	}
	switch n.nr {
	case unix.SYS_PWRITE64:
		if _, ok := inDir(fd()); ok {
			named("write", fd(), event{At: int64(n.args[3]), Data: r.bytes(n.args[1], int(n.args[2]))})
		}
	case unix.SYS_WRITE, unix.SYS_FALLOCATE:
		named("unknown", fd(), event{}) // it writes by pwrite alone, and what it does not do is not understood here
	case unix.SYS_FTRUNCATE:
		named("truncate", fd(), event{At: int64(n.args[1])})
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC:
		if path := fd(); path == r.dir {
			r.add(event{What: "sync directory"})
		} else {
			named("sync", path, event{})
		}
	case unix.SYS_OPEN:
		if n.args[1]&unix.O_CREAT != 0 {
			named("create", r.path(n.args[0]), event{})
		}
	case unix.SYS_OPENAT:
		if n.args[2]&unix.O_CREAT != 0 {
			named("create", r.path(n.args[1]), event{})
		}
	case unix.SYS_UNLINK:
		named("remove", r.path(n.args[0]), event{})
	case unix.SYS_UNLINKAT:
		named("remove", r.path(n.args[1]), event{})
	case unix.SYS_RENAME:
		named("rename", r.path(n.args[0]), event{To: filepath.Base(r.path(n.args[1]))})
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		named("rename", r.path(n.args[1]), event{To: filepath.Base(r.path(n.args[3]))})
	}
}

// The power fails at any moment. Of what was not synced, any part may have reached the disk, in any order, down to single sectors; a file that
// was made, renamed or removed may be so or not before its directory was synced. Whatever was answered is there, and what was not
// is there wholly or not at all. No revision is given again. What the store does to its disk is recorded from its very first start
// at the system calls of the real engine, and nothing is assumed of it.
//
// Faults: D8, D16
func TestPowerFails(t *testing.T) {
	const asked = "EDITLOCK_TEST_EVENTS"
	if os.Getenv(asked) == "" {
		t.Setenv(asked, filepath.Join(t.TempDir(), "events"))
	}
	out := os.Getenv(asked)
	if alone(t, nil) {
		recordStorm(t, out)
		return
	}
	events := readEvents(t, out)
	rounds := 150
	if testing.Short() {
		rounds = 25
	}
	seed := rand.Uint64()
	t.Logf("seed %d, %d events", seed, len(events))
	random := rand.New(rand.NewPCG(seed, 8))
	var answers []int
	for i, e := range events {
		if e.What == "answered" {
			answers = append(answers, i)
		}
	}
	for range rounds {
		cut := random.IntN(len(events) + 1)
		if random.IntN(2) == 0 { // just after an answer
			cut = answers[random.IntN(len(answers))] + 1
		}
		after, err := afterPowerCut(t, events[:cut], random, true)
		if err != nil {
			t.Fatalf("seed %d, power cut after %d events: %v", seed, cut, err)
		}
		after.check(t)
	}

	// That this would see a loss: were the syncs left out, it would find one soon.
	for n := 0; ; n++ {
		if n == 100 {
			t.Fatal("without any sync nothing was lost in 100 power cuts: this test proves nothing")
		}
		after, err := afterPowerCut(t, events[:answers[random.IntN(len(answers))]+1], random, false)
		if err != nil || after.lost(t) {
			break
		}
	}
}

// recordStorm makes a store, writes to it from several sides with many checkpoints, closes and opens it, and notes all that it does.
func recordStorm(t *testing.T, out string) {
	dir := t.TempDir()
	path := filepath.Join(dir, "data.db")
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{dir: dir, memory: memory}
	d := watchDisk(t, watched...)
	d.mu.Lock()
	d.note = r.note
	d.mu.Unlock()
	lim := patient()
	lim.passive, lim.wal = 40<<10, 160<<10
	var revs [stormWriters]int64
	for life := range 3 {
		s, err := open(path, Options{Log: slog.New(slog.DiscardHandler)}, lim)
		if err != nil {
			t.Fatal(err)
		}
		w := store.NewWriter(s)
		var wg sync.WaitGroup
		for i := range stormWriters {
			wg.Go(func() {
				for n := uint64(life)*20 + 1; n <= uint64(life+1)*20; n++ {
					data := binary.BigEndian.AppendUint64(nil, n)
					r.add(event{What: "asked", I: i, N: n})
					rev, err := w.Write(t.Context(), store.Group{
						{Key: fmt.Sprint("record/", i), Expect: revs[i], Data: data},
						{Key: fmt.Sprint("twin/", i), Expect: revs[i], Data: data},
						{Key: fmt.Sprintf("log/%d/%d", i, n), Data: data},
					})
					if err != nil {
						t.Error(err)
						return
					}
					r.add(event{What: "answered", I: i, N: n, Rev: rev})
					revs[i] = rev
				}
			})
		}
		wg.Wait()
		w.Close()
		mustClose(t, s)
	}
	d.mu.Lock()
	d.note = nil
	d.mu.Unlock()
	var b bytes.Buffer
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := gob.NewEncoder(&b).Encode(r.events); err != nil {
		t.Fatal(err)
	}
	write(t, out, b.Bytes())
}

func readEvents(t *testing.T, path string) []event {
	t.Helper()
	var events []event
	if err := gob.NewDecoder(bytes.NewReader(read(t, path))).Decode(&events); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, e := range events {
		kinds[e.What]++
	}
	t.Log(kinds)
	if kinds["unknown"] > 0 || kinds["answered"] != 60*stormWriters || kinds["sync directory"] == 0 || kinds["rename"] != 1 {
		t.Fatalf("not what was expected to be recorded: %v", kinds)
	}
	return events
}

// aftermath is a store as it is found when the power is back, and what had been said before.
type aftermath struct {
	path     string
	acks     acks
	asked    [stormWriters]uint64
	answered int
}

// content is a file: what is durable of it, and what was done to it since.
type content struct {
	durable []byte
	pending []event
}

// afterPowerCut makes the files as a disk may have them when the power fails after these events.
func afterPowerCut(t *testing.T, events []event, random *rand.Rand, syncs bool) (*aftermath, error) {
	t.Helper()
	a := &aftermath{path: filepath.Join(t.TempDir(), "data.db")}
	now := map[string]*content{}     // the names as the process saw them
	durable := map[string]*content{} // and as they were when the directory was last synced
	var names []func(map[string]*content)
	change := func(f func(map[string]*content)) { f(now); names = append(names, f) }
	for _, e := range events {
		c := now[e.File]
		switch e.What {
		case "create":
			if c == nil {
				fresh := &content{}
				change(func(m map[string]*content) { m[e.File] = fresh })
			}
		case "remove":
			if c != nil {
				change(func(m map[string]*content) { delete(m, e.File) })
			}
		case "rename":
			if c == nil {
				return nil, fmt.Errorf("%s was renamed, and never made", e.File)
			}
			change(func(m map[string]*content) { m[e.To] = c; delete(m, e.File) })
		case "write", "truncate":
			if c == nil {
				return nil, fmt.Errorf("%s was written, and never made", e.File)
			}
			c.pending = append(c.pending, e)
		case "sync":
			if syncs && c != nil {
				for _, p := range c.pending {
					c.durable = p.apply(c.durable)
				}
				c.pending = nil
			}
		case "sync directory":
			for _, f := range names {
				f(durable)
			}
			names = nil
		case "asked":
			a.asked[e.I] = e.N
		case "answered":
			a.acks.n[e.I], a.acks.rev[e.I], a.acks.top = e.N, e.Rev, max(a.acks.top, e.Rev)
			a.answered++
		}
	}
	for _, f := range names[:random.IntN(len(names)+1)] { // what a directory is told, it is told in order
		f(durable)
	}
	for name, c := range durable {
		data := bytes.Clone(c.durable)
		for _, p := range c.pending {
			for _, part := range p.torn(random) {
				data = part.apply(data)
			}
		}
		write(t, filepath.Join(filepath.Dir(a.path), name), data)
	}
	return a, nil
}

// apply is a file after a write or a truncation.
func (e event) apply(data []byte) []byte {
	size := e.At
	if e.What == "write" {
		size = max(int64(len(data)), e.At+int64(len(e.Data)))
	}
	for int64(len(data)) < size {
		data = append(data, make([]byte, size-int64(len(data)))...)
	}
	data = data[:size]
	copy(data[min(e.At, size):], e.Data)
	return data
}

// torn is what may have reached the disk of a write or truncation that was not synced: all, nothing, or some of its sectors.
func (e event) torn(random *rand.Rand) (parts []event) {
	switch random.IntN(3) {
	case 0:
		return nil
	case 1:
		return []event{e}
	}
	if e.What != "write" {
		return nil
	}
	const sector = 512
	for from := int64(0); from < int64(len(e.Data)); {
		to := min(int64(len(e.Data)), ((e.At+from)/sector+1)*sector-e.At)
		if random.IntN(2) == 0 {
			parts = append(parts, event{What: "write", File: e.File, At: e.At + from, Data: e.Data[from:to]})
		}
		from = to
	}
	return parts
}

// check opens what is left, and wants all that was answered, and no half of anything.
func (a *aftermath) check(t *testing.T) {
	t.Helper()
	s := mustOpen(t, a.path)
	checkStorm(t, s, &a.acks)
	for i := range stormWriters {
		if r, err := s.Get(t.Context(), fmt.Sprint("record/", i)); err == nil && number(r) > a.asked[i] {
			t.Fatalf("writer %d: number %d is there, and %d was asked for last", i, number(r), a.asked[i])
		}
	}
	if rev := mustPut(t, s, store.Op{Key: "after"}); rev <= a.acks.top {
		t.Fatalf("revision %d after %d", rev, a.acks.top)
	}
	mustClose(t, s)
}

// lost reports whether something that was answered is missing, or the file no longer fit to be opened.
func (a *aftermath) lost(t *testing.T) bool {
	t.Helper()
	s, err := open(a.path, Options{Log: slog.New(slog.DiscardHandler)}, patient())
	if err != nil {
		return true
	}
	defer s.Close()
	for i := range stormWriters {
		r, err := s.Get(t.Context(), fmt.Sprint("record/", i))
		if err != nil && !errors.Is(err, store.ErrNotFound) || number(r) < a.acks.n[i] {
			return true
		}
	}
	return false
}
