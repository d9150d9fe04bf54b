# The smallest Rails application with ActionMailer, Active Job and Sidekiq. The test puts mailonce.rb among its
# initializers, as a user does.
require "rails"
require "action_mailer/railtie"
require "active_job/railtie"
require "sidekiq"
require "sidekiq/rails"

class Shop < Rails::Application
  config.root = File.expand_path("..", __dir__)
  config.load_defaults 6.1
  config.eager_load = true
  config.logger = Logger.new($stdout, formatter: ->(_, _, _, text) { "#{text}\n" })
  config.secret_key_base = "secret"
  config.active_job.queue_adapter = :sidekiq
  config.action_mailer.deliver_later_queue_name = :default
  config.action_mailer.smtp_settings = {
    address: "127.0.0.1", port: Integer(ENV.fetch("MAIL_PORT")), enable_starttls_auto: false
  }
end
