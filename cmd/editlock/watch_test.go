package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/wire"
)

// watching starts `editlock watch`, and returns its lines.
func (s *service) watching(t *testing.T, env []string, args ...string) (lines chan string, stop func() int) {
	t.Helper()
	cmd := command(context.Background(), env, append([]string{"watch"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines = make(chan string, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for sc := bufio.NewScanner(out); sc.Scan(); {
			lines <- sc.Text()
		}
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-done })
	return lines, func() int {
		_ = cmd.Process.Signal(os.Interrupt)
		<-done
		return cmd.ProcessState.ExitCode()
	}
}

func TestWatchPrintsChanges(t *testing.T) {
	s := serve(t)
	p := open(t, s)
	next[*wire.Welcome](t, p, hello(mint(t, "--sub=1", "--name=Ana")))
	env := []string{"EDITLOCK_SERVER=http://" + s.addr + "/editlock", "EDITLOCK_TOKEN=" + mint(t, "--sub=9", "--right=watch:**")}
	words, stop := s.watching(t, env, "article/42")
	objects, stopJSON := s.watching(t, env, "--json", "article/")
	said := func(want string) {
		t.Helper()
		for deadline := time.After(patience); ; {
			select {
			case line := <-words:
				if strings.Contains(line, want) {
					return
				}
			case <-deadline:
				t.Fatalf("it does not say %q", want)
			}
		}
	}
	said("article/42  is free")
	ok := next[*wire.OK](t, p, &wire.Acquire{ID: 2, Target: wire.Target{Resource: "article/42"}})
	fence := ok.Snapshot.Mine.Fence
	next[*wire.OK](t, p, &wire.Confirm{ID: 3, Target: wire.Target{Resource: "article/42"}, Fence: fence})
	said("is edited by Ana (1) since")
	next[*wire.OK](t, p, &wire.Changed{ID: 4, Target: wire.Target{Resource: "article/42"}, Fence: fence, Version: "17"})
	said("saved as version 17")
	told := func(want wire.State) {
		t.Helper()
		for deadline, state := time.After(patience), wire.State(""); state != want; {
			select {
			case text := <-objects:
				var l line
				if err := json.Unmarshal([]byte(text), &l); err != nil || l.Resource != "article/42" || l.Revision == 0 || l.At.IsZero() {
					t.Fatalf("%v in %s", err, text)
				}
				if state = l.State; state == wire.Held && (l.Holder == nil || l.Holder.Name != "Ana" || l.Holder.User != "1") {
					t.Errorf("%s", text)
				}
			case <-deadline:
				t.Fatalf("in JSON it is not told to be %s", want)
			}
		}
	}
	told(wire.Held) // however late this one began: of what is over before that there is no news
	next[*wire.OK](t, p, &wire.Release{ID: 5, Target: wire.Target{Resource: "article/42"}, Fence: fence})
	said("is free")
	if code := stop(); code != 0 {
		t.Errorf("interrupted: exit code %d", code)
	}
	told(wire.Free)
	if code := stopJSON(); code != 0 {
		t.Errorf("interrupted: exit code %d", code)
	}
}

func TestWatchSaysWhatIsWrong(t *testing.T) {
	s := serve(t)
	env := []string{"EDITLOCK_SERVER=http://" + s.addr + "/editlock", "EDITLOCK_TOKEN=" + mint(t, "--sub=9", "--right=watch:page/*")}
	for _, c := range []struct {
		what string
		code int
		says string
	}{{"article/42", exitRefused, "right"}, {"article/", exitRefused, "right"}, {"article//", exitUsage, "resource"}} {
		status, stdout, stderr := run(t, env, "watch", c.what)
		if status != c.code || stdout != "" || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: exit code %d\n%s%s", c.what, status, stdout, stderr)
		}
	}
}

// Faults: A13
func TestPrinterSaysEachThingOnceAndInSafeText(t *testing.T) {
	var out strings.Builder
	p := printer{out: &out, shown: map[string]string{}}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.Local)
	held := editlock.Snapshot{
		Resource: "a", Revision: 1, State: editlock.Held, Waiting: 2,
		Holder: &editlock.Holder{User: editlock.User{ID: "1", Name: "A\x1b[2J\u202ena"}, Since: now.Add(-3 * time.Minute)},
	}
	free := editlock.Snapshot{Resource: "a", Revision: 2, State: editlock.Free}
	for _, snap := range []editlock.Snapshot{held, held, free} {
		if err := p.print(snap, now); err != nil {
			t.Fatal(err)
		}
	}
	want := "12:00:00  a  is edited by A\uFFFD[2J\uFFFDna (1) since 11:57 (3m 0s ago), 2 waiting\n12:00:00  a  is free\n"
	if out.String() != want {
		t.Errorf("%q\n%q", out.String(), want)
	}
	if len(p.shown) != 0 {
		t.Error("what is free is remembered")
	}
}

// It begins with all that there is, also where that is more than the server tells at once.
func TestWatchBeginsWithAll(t *testing.T) {
	s := serve(t, "--request-rate=10000", unhurried)
	const sessions, each = 11, 95
	ana := mint(t, "--sub=1", "--name=Ana", "--right=edit:**")
	var all sync.WaitGroup
	for i := range sessions {
		all.Go(func() {
			session := ""
			for j := range each {
				var g wire.Granted
				if status := s.ask(t, ana, "acquire", wire.AcquireCall{Resource: fmt.Sprintf("item/%d/%d", i, j), Session: session}, &g); status != 200 {
					t.Errorf("%d", status)
					return
				}
				session = g.Session
			}
		})
	}
	all.Wait()
	env := []string{"EDITLOCK_SERVER=http://" + s.addr + "/editlock", "EDITLOCK_TOKEN=" + mint(t, "--sub=9", "--right=watch:**")}
	lines, stop := s.watching(t, env, "item/", "--json")
	told := map[string]bool{}
	for deadline := time.After(patience); len(told) < sessions*each; {
		select {
		case line := <-lines:
			var l wire.Snapshot
			if err := json.Unmarshal([]byte(line), &l); err != nil || told[l.Resource] {
				t.Fatalf("%s: %v, told before: %t", line, err, told[l.Resource])
			}
			told[l.Resource] = true
		case <-deadline:
			t.Fatalf("told of %d of %d", len(told), sessions*each)
		}
	}
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
