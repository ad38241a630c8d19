package sqlite

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/editlock/editlock/store"
)

const stormWriters = 8

// storm writes without end. Each writer swaps a record, its twin and one more entry of a log, in one group,
// and says so when it is answered.
func storm(path string) {
	fmt.Println("starting")
	s, err := open(path, Options{}, patient())
	if err != nil {
		fmt.Println("error", err)
		return
	}
	w := store.NewWriter(s)
	ctx := context.Background()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range stormWriters {
		wg.Go(func() {
			r, err := s.Get(ctx, fmt.Sprint("record/", i))
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				fmt.Println("error", err)
				return
			}
			n := number(r)
			for rev := r.Rev; ; {
				n++
				data := binary.BigEndian.AppendUint64(nil, n)
				rev, err = w.Write(ctx, store.Group{
					{Key: fmt.Sprint("record/", i), Expect: rev, Data: data},
					{Key: fmt.Sprint("twin/", i), Expect: rev, Data: data},
					{Key: fmt.Sprintf("log/%d/%d", i, n), Data: data},
				})
				mu.Lock()
				if err != nil {
					fmt.Println("error", err)
				} else {
					fmt.Println("ack", i, n, rev)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

type acks struct {
	n   [stormWriters]uint64 // the highest number that was answered
	rev [stormWriters]int64
	top int64 // the highest revision that was answered
}

func (a *acks) take(t *testing.T, text string, floor int64) {
	t.Helper()
	var i int
	var n uint64
	var rev int64
	if _, err := fmt.Sscanf(text, "ack %d %d %d", &i, &n, &rev); err != nil {
		t.Fatalf("the child says %q", text)
	}
	if rev <= floor {
		t.Fatalf("revision %d was given, and %d before the kill", rev, floor)
	}
	a.n[i], a.rev[i], a.top = n, rev, max(a.top, rev)
}

// Killed at any moment, a store has every write that it has answered, no half of a group, and gives no revision again.
// Faults: N1
func TestKilledInASwapStorm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.db")
	var got acks
	for round := range 6 {
		floor := got.top
		cmd, out := child(t, "storm", path)
		if text := line(t, out); text != "starting" {
			t.Fatal(text)
		}
		for range 1 + rand.IntN(600) {
			got.take(t, line(t, out), floor)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		drain(t, out, &got, floor)
		_ = cmd.Wait()
		s := mustOpen(t, path)
		checkStorm(t, s, &got)
		if rev := mustPut(t, s, store.Op{Key: fmt.Sprint("after/", round)}); rev <= got.top {
			t.Fatalf("revision %d after %d", rev, got.top)
		} else {
			got.top = rev
		}
		mustClose(t, s)
	}
}

// drain takes what the child has said before it died; the last line may have been cut.
func drain(t *testing.T, out *bufio.Scanner, got *acks, floor int64) {
	t.Helper()
	previous := ""
	for out.Scan() {
		if previous != "" {
			got.take(t, previous, floor)
		}
		previous = out.Text()
	}
}

func checkStorm(t *testing.T, s *Store, got *acks) {
	t.Helper()
	seen := map[int64]string{}
	for i := range stormWriters {
		r, err := s.Get(t.Context(), fmt.Sprint("record/", i))
		if err != nil && (got.n[i] > 0 || !errors.Is(err, store.ErrNotFound)) {
			t.Fatal(err)
		}
		if number(r) < got.n[i] || r.Rev < got.rev[i] {
			t.Fatalf("writer %d: number %d was answered with revision %d; there is %d with %d", i, got.n[i], got.rev[i], number(r), r.Rev)
		}
		if r.Rev == 0 {
			continue
		}
		twin, err := s.Get(t.Context(), fmt.Sprint("twin/", i))
		if err != nil || twin.Rev != r.Rev || number(twin) != number(r) {
			t.Fatalf("half a group: %+v, its twin %+v, %v", r, twin, err)
		}
		prefix := fmt.Sprintf("log/%d/", i)
		log, err := s.List(t.Context(), prefix, "", 1<<20)
		if err != nil || uint64(len(log)) != number(r) {
			t.Fatalf("writer %d: %d entries of the log after %d swaps, %v", i, len(log), number(r), err)
		}
		for _, e := range log {
			if other, twice := seen[e.Rev]; twice {
				t.Fatalf("%s and %s have one revision, %d", e.Key, other, e.Rev)
			}
			seen[e.Rev] = e.Key
			if number(e) == number(r) && e.Rev != r.Rev {
				t.Fatalf("the last entry of the log has revision %d, the record %d", e.Rev, r.Rev)
			}
		}
	}
}

// Killed while it opens or makes its file, a store opens the next time.
// Faults: N1, D16
func TestKilledWhileOpening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "data.db")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	whole, began := time.Duration(0), time.Time{}
	for round := range 13 {
		cmd, out := child(t, "storm", path)
		if text := line(t, out); text != "starting" {
			t.Fatal(text)
		}
		if round == 0 { // once to the end, to know how long it takes
			began = time.Now()
			if text := line(t, out); !strings.HasPrefix(text, "ack") {
				t.Fatal(text)
			}
			whole = time.Since(began)
			kill(t, cmd)
			if err := errors.Join(os.RemoveAll(filepath.Dir(path)), os.Mkdir(filepath.Dir(path), 0o700)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		<-time.After(whole * time.Duration(round) / 12) // the moment itself is what is tried
		kill(t, cmd)
		s := mustOpen(t, path)
		mustPut(t, s, store.Op{Key: fmt.Sprint(round)})
		mustClose(t, s)
		if round%2 == 0 { // the next one makes it, the one after opens it
			if err := errors.Join(os.RemoveAll(filepath.Dir(path)), os.Mkdir(filepath.Dir(path), 0o700)); err != nil {
				t.Fatal(err)
			}
		}
	}
}
