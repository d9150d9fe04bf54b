"""Calls the Lambda function with the event on the command line, and prints what it returns."""

import json
import sys

import lambda_handler

print(json.dumps(lambda_handler.handler(json.loads(sys.argv[1]), None)))
