//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/editlock/editlock/wire"
)

func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		files, pages, all, forPages int
		warns                       bool
	}{
		{1 << 30, 100_000, 101_000, 100_000, false},
		{101_100, 100_000, 101_000, 100_000, false},
		{101_099, 100_000, 100_999, 99_999, true},
		{20_000, 100_000, 19_900, 18_900, true},
		{1024, 100_000, 924, 462, true},
		{1024, 20, 924, 20, true},
		{160, 100, 80, 40, true},
		{3, 100, 2, 1, true},
	} {
		var said strings.Builder
		all, pages := places(c.files, limits{MaxConnections: &c.pages, MaxWaits: 500}, slog.New(slog.NewTextHandler(&said, nil)))
		if all != c.all || pages != c.forPages || strings.Contains(said.String(), "level=WARN") != c.warns {
			t.Errorf("%d files, %d pages: %d, %d of pages, %q; want %+v", c.files, c.pages, all, pages, said.String(), c)
		}
	}
	// Nobody asked for more than there is.
	var said strings.Builder
	all, pages := places(20_000, limits{MaxWaits: 500}, slog.New(slog.NewTextHandler(&said, nil)))
	if text := said.String(); all != 19_900 || pages != 18_900 || !strings.Contains(text, "level=INFO") || !strings.Contains(text, "pages=18900") || strings.Contains(text, "100000") {
		t.Errorf("%d, %d of pages, %q", all, pages, text)
	}
}

// What the files are good for is said by a server that serves, not ahead of what keeps one from it.
func TestFilesAreNotTheTrouble(t *testing.T) {
	limited := func(args ...string) *exec.Cmd {
		cmd := command(context.Background(), []string{testKey, testSigning}, append([]string{"serve", "--listen=127.0.0.1:0"}, args...)...)
		cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", `ulimit -n 500 && exec "$0" "$@"`}, cmd.Args...)
		return cmd
	}
	text, err := limited("--store=sqlite:" + filepath.Join(t.TempDir(), "none", "locks.db")).CombinedOutput()
	if err == nil || strings.Count(string(text), "\n") != 1 || !strings.Contains(string(text), "--store") {
		t.Errorf("%v\n%s", err, text)
	}
	s := started(t, limited("--store=sqlite:"+filepath.Join(t.TempDir(), "locks.db")))
	if said := s.said(); strings.Contains(said, `"WARN"`) || !strings.Contains(said, `"pages":200,"limit":500`) {
		t.Errorf("%s", said)
	}
	s = started(t, limited("--store=sqlite:"+filepath.Join(t.TempDir(), "locks.db"), "--max-connections=1000"))
	if said := s.said(); !strings.Contains(said, `"WARN"`) || !strings.Contains(said, "below what --max-connections needs") {
		t.Errorf("%s", said)
	}
}

// A stranger opens more connections than the process may have files, asks for something small on each, and keeps them. Whoever comes after
// that is served all the same, and pages stay.
// Faults: A10
func TestStrangerLeavesRoom(t *testing.T) {
	const files = 160
	cmd := command(context.Background(), []string{testKey, testSigning}, "serve", "--listen=127.0.0.1:0",
		"--store=sqlite:"+filepath.Join(t.TempDir(), "locks.db"))
	limited := fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, files)
	cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", limited}, cmd.Args...)
	s := started(t, cmd)
	if said := s.said(); !strings.Contains(said, "the limit of open files") || !strings.Contains(said, `"limit":160`) {
		t.Errorf("it does not say that it has too few files: %s", said)
	}
	p := open(t, s)
	next[*wire.Welcome](t, p, hello(mint(t, "--sub=7", "--right=edit:article/*")))

	for i := range 2 * files {
		conn, err := net.DialTimeout("tcp", s.addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(patience / 3)) // less than an idle connection may last
		if i%10 == 0 {
			continue // this one says nothing at all
		}
		if _, err := fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", s.addr); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("number %d has no answer: %v", i, err)
		}
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("number %d: %s", i, answer.Status)
		}
	}
	ok := next[*wire.OK](t, p, &wire.Acquire{ID: 2, Target: wire.Target{Resource: "article/42"}})
	if ok.Snapshot == nil || ok.Snapshot.Mine == nil || ok.Snapshot.Mine.State != "granted" {
		t.Errorf("%+v", ok.Snapshot)
	}
	another := open(t, s)
	next[*wire.Welcome](t, another, hello(mint(t, "--sub=8", "--right=edit:article/*")))
}
