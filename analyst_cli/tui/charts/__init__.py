"""Charts in a terminal: a plot of the numbers, a picture in half cells, and real pixels where the terminal can."""
