"""The benchmark: experiments as data (`suite`), runs written once (`run`), raw rows -> `report`."""
