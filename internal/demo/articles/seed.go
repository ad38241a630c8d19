package articles

import "context"

// Seed adds the articles of the demo, where they are missing.
func (t *Table) Seed(ctx context.Context) error {
	for _, a := range []Article{
		{ID: 42, Title: Harbour.Title, Body: Harbour.Body},
		{ID: 43, Title: "How bread learned to wait", Body: "Flour, water, salt, and a night in which nobody touches it."},
		{ID: 44, Title: "A short history of the queue", Body: "First come, first served is older than the word for it. What had to be invented was the number."},
		{ID: 45, Title: "The clockmaker's two hands", Body: "One clock tells the time. Two clocks tell you that you do not know it."},
		{ID: 46, Title: "Letters that crossed", Body: "She had written to say no; he had written to say never mind. Both letters arrived on the Tuesday."},
		{ID: 47, Title: "Notes on a narrow bridge", Body: "There is room for one cart. There is a bell at either end, and a rule about the bell."},
	} {
		if err := t.Add(ctx, a.ID, a.Title, a.Body); err != nil {
			return err
		}
	}
	return nil
}

// Harbour is the article that both sides of the demo edit.
var Harbour = Article{
	ID: 42, Title: "The harbour at dawn",
	Body: "The first boats come in before the light does. You hear them: a cough, a low engine, somebody laughing at something.",
}
