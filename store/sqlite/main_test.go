package sqlite

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Engine{Place: func(t testing.TB) storetest.Open {
		path := filepath.Join(t.TempDir(), "data.db")
		return func() (store.Store, error) { return open(path, Options{}, patient()) }
	}})
}

// patient is for tests of other things than time: an fsync can take longer than our timeout on a loaded machine.
func patient() limits {
	lim := defaults
	lim.timeout = patience
	return lim
}

// A test that needs a process of its own, to kill it or to break its disk, has this binary run again with a role.
const (
	roleVar = "EDITLOCK_TEST_ROLE"
	pathVar = "EDITLOCK_TEST_PATH"
)

func TestMain(m *testing.M) {
	role, path := os.Getenv(roleVar), os.Getenv(pathVar)
	switch role {
	case "hold":
		hold(path)
	case "storm":
		storm(path)
	case "open":
		_, err := Open(path, Options{})
		fmt.Println(err)
	default: // none, or that of a test which runs itself again
		os.Exit(m.Run())
	}
}

// patience is how long a test waits for what must happen, on a loaded machine.
const patience = time.Minute

// child starts this binary in a role. It is killed at the latest when the test ends.
func child(t *testing.T, role, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"="+role, pathVar+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
}

func line(t *testing.T, out *bufio.Scanner) string {
	t.Helper()
	if !out.Scan() {
		t.Fatalf("the child has ended: %v", out.Err())
	}
	return out.Text()
}

func mustOpen(t testing.TB, path string) *Store {
	t.Helper()
	s, err := open(path, Options{}, patient())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustClose(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func put(ctx context.Context, s *Store, ops ...store.Op) (int64, error) {
	results, err := s.Apply(ctx, []store.Group{ops})
	if err != nil {
		return 0, err
	}
	return results[0].Rev, results[0].Err
}

func mustPut(t testing.TB, s *Store, ops ...store.Op) int64 {
	t.Helper()
	rev, err := put(t.Context(), s, ops...)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func has(t testing.TB, s *Store, key string) bool {
	t.Helper()
	_, err := s.Get(t.Context(), key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func number(r store.Record) uint64 {
	if r.Rev == 0 {
		return 0
	}
	return binary.BigEndian.Uint64(r.Data)
}
