//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
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
		all, pages := places(c.files, c.pages, 500, slog.New(slog.NewTextHandler(&said, nil)))
		if all != c.all || pages != c.forPages || (said.Len() > 0) != c.warns {
			t.Errorf("%d files, %d pages: %d, %d of pages, %q; want %+v", c.files, c.pages, all, pages, said.String(), c)
		}
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
	if said := s.said(); !strings.Contains(said, "below what --max-connections needs") || !strings.Contains(said, `"limit":160`) {
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
