package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNothingIsLost(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	app, err := start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer app.stop()
	errs := make(chan error)
	for _, name := range []string{"a", "b", "c"} {
		go func() { errs <- edit(ctx, app.base, name, app.token) }()
	}
	for range 3 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	words := strings.Fields(app.text)
	slices.Sort(words)
	if got := strings.Join(words, " "); got != "Once a a a b b b c c c" {
		t.Errorf("the text is %q", app.text)
	}
}
