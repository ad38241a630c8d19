package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/editlock/editlock/wire"
)

type releaseCmd struct {
	remote
	Resource string `arg:"" help:"Whose holder is to lose it."`
	Reason   string `required:"" help:"Why, in words: it stands in the history, with your name." placeholder:"TEXT"`
	Fence    int64  `help:"End the hold with this fence alone. Without it, that of whoever holds when the command looks." placeholder:"N"`
	JSON     bool   `help:"The answer as one JSON object, for machines." name:"json"`
}

func (releaseCmd) Help() string {
	return "Ends the hold of somebody else, as an administrator: it takes the right administer. The holder's page is told at once and keeps the text; the first who waits is let in. " +
		"Done, too, if nobody held any more.\n\n" + exitCodes
}

const (
	maxReason = 256 // bytes, of the protocol
	noHold    = 1   // a fence that no hold has: they count the microseconds since 1970
)

func (c *releaseCmd) Run(ctx context.Context) error {
	if c.Reason = strings.TrimSpace(c.Reason); c.Reason == "" || len(c.Reason) > maxReason {
		return &exit{exitUsage, fmt.Errorf("--reason has to say why in words, of 1 to %d bytes", maxReason)}
	}
	var before wire.Snapshot
	looked := c.Fence == 0
	if looked {
		// What is ended is the hold that was seen here, and nobody's who comes after.
		if err := c.call(ctx, http.MethodGet, "/v1/locks/"+pathOf(c.Resource), nil, &before); err != nil {
			return err
		}
		c.Fence = noHold // asked for even so: whether the right is enough must not depend on who holds
		if before.Holder != nil {
			c.Fence = before.Holder.Fence
		}
	}
	var out wire.Forced
	if err := c.call(ctx, http.MethodPost, "/v1/force-release", wire.ForceCall{Resource: c.Resource, Reason: c.Reason, Fence: c.Fence}, &out); err != nil {
		return err
	}
	who := "The holder"
	if before.Holder != nil {
		who = person(before.Holder.User, before.Holder.Name)
	}
	text := out.Snapshot.Resource + ": "
	switch {
	case looked && before.Holder == nil && out.Snapshot.Holder == nil:
		text += "nobody holds it."
	case looked && before.Holder == nil:
		text += "nobody held it."
	case out.Ended == nil:
		text += "there is no such hold."
	case out.Ended.Reason != "forced":
		text += who + " did not hold it any more (" + strings.ReplaceAll(out.Ended.Reason, "_", " ") + ")."
	default:
		text += who + " does not hold it any more."
	}
	if h := out.Snapshot.Holder; h != nil {
		text += " " + person(h.User, h.Name) + " holds it now."
	}
	return c.say(&out, text)
}

func (c *releaseCmd) say(out *wire.Forced, text string) error {
	if c.JSON {
		return newListing(os.Stdout, true).row(nil, out)
	}
	_, err := fmt.Println(harmless(text))
	return err
}
