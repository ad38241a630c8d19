package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/editlock/editlock/store"
)

// BenchmarkWrite measures durable swaps of records of 300 bytes through a Writer, each caller with records of its own,
// beside the least that durability can cost on this disk, in the same run: the same bytes appended to a preallocated
// file, one fdatasync for all that wait. The ratio of the two is what to look at.
func BenchmarkWrite(b *testing.B) {
	for _, callers := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			dir := b.TempDir()
			l := newFloor(b, filepath.Join(dir, "floor"))
			record := make([]byte, 300)
			floor := spread(b, callers, func(int) error { return l.append(record) })
			l.close(b)

			s := mustOpen(b, filepath.Join(dir, "data.db"))
			w := store.NewWriter(s)
			revs := prefill(b, s)
			next := make([]int, callers)
			got := spread(b, callers, func(caller int) error {
				i := (caller + next[caller]*callers) % len(revs) // records are not shared
				next[caller]++
				rev, err := w.Write(b.Context(), store.Group{{Key: benchKey(i), Expect: revs[i], Data: record}})
				revs[i] = rev
				return err
			})
			w.Close()
			mustClose(b, s)
			got.report(b, "")
			floor.report(b, "floor-")
			b.ReportMetric(float64(got.took)/float64(floor.took), "x-floor")
		})
	}
}

// benchRecords is a multiple of every number of callers.
const benchRecords = 512 * 64

func benchKey(i int) string { return fmt.Sprintf("lock/article/%08d", i*7919%benchRecords) }

func prefill(b *testing.B, s *Store) []int64 {
	b.Helper()
	revs := make([]int64, benchRecords)
	for from := 0; from < benchRecords; from += store.MaxBatch {
		var batch []store.Group
		for i := from; i < from+store.MaxBatch; i++ {
			batch = append(batch, store.Group{{Key: benchKey(i), Data: make([]byte, 300)}})
		}
		results, err := s.Apply(b.Context(), batch)
		if err != nil {
			b.Fatal(err)
		}
		for i, r := range results {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
			revs[from+i] = r.Rev
		}
	}
	return revs
}

type measured struct {
	took time.Duration
	all  []time.Duration // sorted
}

func (m measured) report(b *testing.B, prefix string) {
	b.ReportMetric(float64(len(m.all))/m.took.Seconds(), prefix+"ops/s")
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(m.all[len(m.all)*p/100].Microseconds()), fmt.Sprintf("%sp%d-µs", prefix, p))
	}
}

// spread does b.N calls on so many goroutines.
func spread(b *testing.B, callers int, call func(caller int) error) measured {
	b.Helper()
	each := (b.N + callers - 1) / callers
	times := make([][]time.Duration, callers)
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	b.ResetTimer()
	began := time.Now()
	for c := range callers {
		wg.Go(func() {
			for range each {
				t := time.Now()
				if err := call(c); err != nil {
					failed.Store(&err)
					return
				}
				times[c] = append(times[c], time.Since(t))
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	b.StopTimer()
	if err := failed.Load(); err != nil {
		b.Fatal(*err)
	}
	all := slices.Concat(times...)
	slices.Sort(all)
	return measured{took, all}
}

// floor is a log with group commit and nothing else.
type floor struct {
	f    *os.File
	in   chan request
	done chan error
}

type request struct {
	data   []byte
	answer chan error
}

const floorSize = 64 << 20 // begins again at its end

func newFloor(b *testing.B, path string) *floor {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	for range floorSize >> 20 {
		if _, err := f.Write(make([]byte, 1<<20)); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	l := &floor{f: f, in: make(chan request, 1024), done: make(chan error, 1)}
	go l.run()
	return l
}

func (l *floor) append(data []byte) error {
	answer := make(chan error, 1)
	l.in <- request{data, answer}
	return <-answer
}

func (l *floor) run() {
	var at int64
	for first := range l.in {
		buf, waiting := first.data, []chan error{first.answer}
		for n := len(l.in); n > 0; n-- {
			r := <-l.in
			buf, waiting = append(buf, r.data...), append(waiting, r.answer)
		}
		if at+int64(len(buf)) > floorSize {
			at = 0
		}
		_, err := l.f.WriteAt(buf, at)
		if err == nil {
			err = unix.Fdatasync(int(l.f.Fd()))
		}
		at += int64(len(buf))
		for _, w := range waiting {
			w <- err
		}
	}
	l.done <- l.f.Close()
}

func (l *floor) close(b *testing.B) {
	close(l.in)
	if err := <-l.done; err != nil {
		b.Fatal(err)
	}
}
