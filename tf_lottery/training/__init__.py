"""Trainings of tickets, without a word about a framework."""
