"""Trainings of tickets, independent of any framework."""
