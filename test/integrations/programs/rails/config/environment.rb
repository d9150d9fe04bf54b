require_relative "application"
Rails.application.initialize!
require_relative "../lib/once"
require_relative "../lib/mailers"
require_relative "../lib/jobs"
require_relative "../lib/workers"
